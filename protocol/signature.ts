/** The signature dict: a call not yet made, as plain data on the wire. */

/** Member order is the order on the wire. @see celery 5.6, canvas.py, `Signature` */
export interface SignatureDict {
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  /** `apply_async` options under their wire names: `task_id`, `link`, `countdown`, … */
  readonly options: Readonly<Record<string, unknown>>
  /** `chain`, `group`, `chord`; null for a plain task. */
  readonly subtask_type: string | null
  /** Whether the result of the one before is left out of the arguments. */
  readonly immutable: boolean
}

/** Python's `decimal.Decimal` as the digits that stood on the wire: kept, never computed with. */

/** What `Decimal(str)` reads, without the underscores and blanks that it also forgives. */
const DECIMAL = /^[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d{1,18})?|inf(?:inity)?|s?nan\d{0,18})$/i
const MAX_LENGTH = 10_000

/** Whether Python's `Decimal` can read this text. */
export function isDecimalText(text: string): boolean {
  return text.length <= MAX_LENGTH && DECIMAL.test(text)
}

export class Decimal {
  readonly value: string

  constructor(value: string | number | bigint) {
    const text = String(value)
    if (!isDecimalText(text)) throw new RangeError(`not a decimal number: ${text.slice(0, 40)}`)
    this.value = text
  }

  toString(): string {
    return this.value
  }

  toJSON(): string {
    return this.value
  }
}

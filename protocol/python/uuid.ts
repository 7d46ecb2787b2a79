/** Python's `uuid.UUID`: 128 bits that are told apart from a string of the same spelling. */

const HEX = /^[0-9a-f]{32}$/
/** What `UUID(hex)` takes away before it reads. @see CPython, Lib/uuid.py, `UUID.__init__` */
const ORNAMENTS = /urn:|uuid:|^[{}]+|[{}]+$|-/g
const MAX_TEXT = 100

/** The 32 digits of a UUID in any spelling that Python takes, or undefined. */
export function uuidHex(text: string): string | undefined {
  if (text.length > MAX_TEXT) return undefined
  const hex = text.replace(ORNAMENTS, '').toLowerCase()
  return HEX.test(hex) ? hex : undefined
}

export class Uuid {
  /** 32 lower-case hexadecimal digits. */
  readonly hex: string

  constructor(text: string) {
    const hex = uuidHex(text)
    if (hex === undefined) throw new RangeError(`not a UUID: ${text.slice(0, 40)}`)
    this.hex = hex
  }

  /** With dashes. */
  toString(): string {
    const { hex } = this
    const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)]
    return `${parts.join('-')}-${hex.slice(20)}`
  }

  toJSON(): string {
    return this.toString()
  }
}

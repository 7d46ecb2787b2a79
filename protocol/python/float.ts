/** A number as Python spells it: whole ones as an int, the others as a float. */

/**
 * A finite number. A whole number beyond 2^53 cannot come from a Python int (those are bigint
 * here), so it is written as the float that it is: `1e+22`, `9007199254740994.0`.
 *
 * @see CPython, Objects/floatobject.c, `float_repr`: shortest digits, exponent below 1e-4 and from 1e16
 */
export function spellNumber(value: number): string {
  if (Number.isSafeInteger(value)) return Object.is(value, -0) ? '-0.0' : String(value)
  const size = Math.abs(value)
  if (size >= 1e16 || size < 1e-4) return spellExponent(value)
  return Number.isInteger(value) ? `${value}.0` : String(value)
}

/** At least two digits after `e`, always with a sign. */
function spellExponent(value: number): string {
  const text = value.toExponential()
  const at = text.indexOf('e') + 2
  return text.length - at > 1 ? text : `${text.slice(0, at)}0${text.slice(at)}`
}

/** The offset of a time zone that is known by its name, at what its clocks show. */

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

/**
 * Seconds that the clocks of a zone are ahead of UTC when they show this; undefined of a zone that
 * is none. What they show twice is meant for the first time unless `fold` is set, and what they skip is
 * told by the clock before it: as in Python.
 *
 * @param wall what the clock shows, as milliseconds of UTC
 * @see PEP 495, "Local Time Disambiguation"
 */
export function zoneOffset(name: string, wall: number, fold: boolean): number | undefined {
  const clock = clockOf(name)
  if (clock === undefined) return undefined
  const [before, after] = [clock(wall - DAY_MS), clock(wall + DAY_MS)]
  const holds = (offset: number): boolean => clock(wall - offset) === offset
  const [wasBefore, isAfter] = [holds(before), holds(after)]
  const second = wasBefore === isAfter ? fold : isAfter
  return (second ? after : before) / 1000
}

/** Milliseconds ahead of UTC at a point in time. */
type Clock = (time: number) => number

function clockOf(name: string): Clock | undefined {
  // what is no name, such as +02:00, Python does not take for a zone either
  if (!/^[A-Za-z][\w+\-/]{0,63}$/.test(name)) return undefined
  try {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' })
    return (time) => offsetIn(format.format(time))
  } catch {
    return undefined
  }
}

/** `11/22/2026, GMT+02:00`, in the past also `GMT+00:57:44`; `GMT` alone is UTC. */
function offsetIn(text: string): number {
  const [, sign, hours, minutes, seconds = '0'] =
    /GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(text) ?? []
  const ms = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * MINUTE_MS + Number(seconds) * 1000
  return sign === '-' ? -ms : ms
}

/** Values that JSON has no name for: dates, bytes, decimals; typed since Celery 5.3, plain text before. */

import { expect } from 'chai'
import { closeStages, onEveryStage } from '../stage.ts'
import type { Stage } from '../stage.ts'

after(closeStages)

/** Kombu marks the types of values in JSON since 5.3. */
function typed(stage: Stage): boolean {
  return Number(stage.celery.version.split('.')[1]) >= 3
}

onEveryStage('a typed value', (stage) => {
  it('reaches Python as what it is, or as a plain dict before Celery 5.3', async () => {
    const seen = async (value: unknown): Promise<string> =>
      (await stage().app.sendTask<string>('py.describe', [value])).get({ timeout: 20 })
    const date = new Date('2024-02-29T12:30:45.123Z')
    if (typed(stage())) {
      expect(await seen(date)).to.match(
        /^datetime datetime\.datetime\(2024, 2, 29, 12, 30, 45, 123000/,
      )
      expect(await seen(Buffer.from([0, 255]))).to.equal("bytes b'\\x00\\xff'")
    } else {
      expect(await seen(date)).to.match(/^dict \{'__type__': 'datetime'/)
    }
  })

  it('comes from Python as what it is, or as text before Celery 5.3', async () => {
    const give = async (expression: string): Promise<unknown> =>
      (await stage().app.sendTask('py.give', [expression])).get({ timeout: 20 })
    const date = await give(
      'datetime.datetime(2024, 2, 29, 12, 30, 45, 123456, tzinfo=datetime.timezone.utc)',
    )
    const decimal = await give("decimal.Decimal('1.10')")
    const id = await give("uuid.UUID('12345678123446789234567812345678')")
    if (typed(stage())) {
      expect(date).to.be.instanceOf(Date)
      expect((date as Date).toISOString()).to.equal('2024-02-29T12:30:45.123Z')
    } else {
      expect(date).to.equal('2024-02-29T12:30:45.123456Z')
    }
    expect(String(decimal)).to.equal('1.10')
    expect(String(id)).to.equal('12345678-1234-4678-9234-567812345678')
  })

  it('goes to TypeScript and back without a change', async function () {
    if (!typed(stage())) {
      const { repr } = await stage().python.eval("send('ts.echo', datetime.date(2024, 2, 29))")
      expect(repr).to.equal("['2024-02-29T00:00:00']")
      return
    }
    const values = [
      'datetime.datetime(2024, 2, 29, 12, 30, 45, 123456)',
      'datetime.datetime(2024, 2, 29, 12, 30, 45, 7, tzinfo=datetime.timezone(datetime.timedelta(hours=-5, minutes=-30)))',
      'datetime.date(2024, 2, 29)',
      'datetime.time(1, 2, 3, 450000)',
      "decimal.Decimal('3.140')",
      "uuid.UUID('12345678123446789234567812345678')",
      "b'bytes \\xc3\\xa9'",
      "b'\\x00\\xff'",
    ].join(', ')
    const { repr } = await stage().python.eval(
      `(lambda *v: send('ts.echo', *v) == list(v))(${values})`,
    )
    expect(repr).to.equal('True')
  })
})

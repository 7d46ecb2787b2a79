/** Chords whose header and body are in both languages: who ends last sends the body, whoever sent the chord. */

import { expect } from 'chai'
import { COUNTING } from '../matrix.ts'
import { closeStages, onEveryStage, type Stage } from '../stage.ts'

after(closeStages)

/** `s('py.add', 1, 2)` is a signature. */
const PRELUDE = '(lambda s: %)(lambda name, *args: signature(name, args=args, app=app))'

async function python(stage: Stage, expression: string): Promise<unknown> {
  return (await stage.python.eval(PRELUDE.replace('%', expression))).value
}

onEveryStage(
  'a chord through both languages',
  (stage) => {
    for (const body of ['py.describe', 'ts.echo']) {
      it(`that Python sent gives ${body} the results in the order of the header`, async () => {
        const header = Array.from(
          { length: 6 },
          (_, index) => `s('${index % 2 === 1 ? 'ts' : 'py'}.add', ${index}, 1)`,
        )
        const value = await python(
          stage(),
          `chord([${header.join(', ')}])(s('${body}')).get(timeout=20)`,
        )
        const list = [1, 2, 3, 4, 5, 6]
        expect(value).to.deep.equal(body === 'ts.echo' ? [list] : `list [${list.join(', ')}]`)
      })
    }

    it('goes on from a chain, and with one', async () => {
      const value = await python(
        stage(),
        "chain(s('ts.add', 1, 1), group(s('py.add', 1), s('ts.add', 2)), s('ts.echo'), s('py.describe'))().get(timeout=20)",
      )
      expect(value).to.equal('list [[3, 4]]')
    })

    it('keeps the form of groups within its header', async () => {
      const value = await python(
        stage(),
        "chord([chain(s('ts.add', 1, 1), group(s('py.add', 1), s('ts.add', 2))), s('ts.add', 9, 9)])(s('ts.echo')).get(timeout=20)",
      )
      expect(value).to.deep.equal([[[3, 4], 18]])
    })

    for (const [part, raised] of [
      ['ts.fail', "TypeError('boom')"],
      ['py.fail', "ValueError('boom', 42)"],
    ]) {
      it(`fails its body when ${part} fails in its header, in the words of Celery`, async () => {
        const value = await python(
          stage(),
          `(lambda r: [str(r.get(timeout=20, propagate=False)), r.state, r.parent[1].id])(chord([s('py.add', 1, 1), s('${part}'), s('ts.add', 2, 2)])(s('ts.echo')))`,
        )
        const [text, state, id] = value as readonly string[]
        expect(text).to.equal(`Dependency ${id} raised ${raised}`)
        expect(state).to.equal('FAILURE')
      })
    }

    it('is sent by our worker, which is given it as a task', async () => {
      const { app } = stage()
      const header = [app.signature('py.add', [1, 2]), app.signature('ts.add', [3, 4])]
      const sent = await app.sendTask('celery.chord', [header, app.signature('py.describe')])
      const [[id]] = (await sent.get({ timeout: 20 })) as [[string]]
      expect(await app.asyncResult(id).get({ timeout: 20 })).to.equal('list [3, 7]')
    })

    it('takes the place of a task that is replaced by a group', async () => {
      const value = await python(
        stage(),
        "chain(s('ts.spread', ['py.add', 1, 2], ['ts.add', 3, 4]), s('py.describe'))().get(timeout=20)",
      )
      expect(value).to.equal('list [3, 7]')
    })

    it('waits for a part that one of its tasks added', async () => {
      const value = await python(
        stage(),
        "chord([s('ts.more', 'py.add', 20, 22), s('py.add', 1, 1)])(s('py.describe')).get(timeout=20)",
      )
      expect(value).to.be.oneOf(["list ['first', 42, 2]", "list [42, 'first', 2]"])
    })

    it('is chunked by our worker', async () => {
      const value = await python(
        stage(),
        "app.send_task('celery.chunks', kwargs={'task': s('ts.add'), 'it': [[1, 2], [3, 4], [5, 6]], 'n': 2}, queue='node').get(timeout=20)",
      )
      const [, members] = value as [unknown, [[string]][]]
      const results = members.map(([[id]]) => stage().app.asyncResult(id).get({ timeout: 20 }))
      expect(await Promise.all(results)).to.deep.equal([[3, 7], [11]])
    })
  },
  COUNTING,
)

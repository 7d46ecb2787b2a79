/** The older message protocol and the other result serializers, both ways. */

import { expect } from 'chai'
import { PythonClient, startNodeWorker, startPythonWorker } from '../harness.ts'
import { celeries, PAIRINGS } from '../matrix.ts'
import { createApp } from '../node/tasks.ts'
import { closeStages, onEveryStage } from '../stage.ts'

after(closeStages)

onEveryStage('message protocol 1', (stage) => {
  it('is run by Python when we write it', async () => {
    const { broker, backend } = stage().surroundings
    const app = createApp(broker, backend)
    app.conf.taskProtocol = 1
    const result = await app.sendTask<number>('py.add', [2], { kwargs: { y: 3 }, expires: 60 })
    expect(await result.get({ timeout: 20 })).to.equal(5)
    await app.close()
  })

  it('is run by us when Python writes it, with links and retries', async () => {
    await stage().python.eval("app.conf.update(task_protocol=1) or app.__dict__.pop('amqp', None)")
    try {
      expect((await stage().python.eval("send('ts.add', 2, kwargs={'y': 3})")).value).to.equal(5)
      expect((await stage().python.eval("send('ts.retrying', 2)")).value).to.equal(2)
    } finally {
      await stage().python.eval(
        "app.conf.update(task_protocol=2) or app.__dict__.pop('amqp', None)",
      )
    }
  })
})

for (const celery of celeries()) {
  for (const serializer of ['msgpack', 'yaml']) {
    describe(`results in ${serializer}, with Celery ${celery.version}`, function () {
      this.timeout(60_000)

      it('are read by either side, failures too', async () => {
        const pairing = PAIRINGS[0]
        if (pairing === undefined) throw new Error('no pairing')
        const env = { INTEROP_RESULT_SERIALIZER: serializer }
        const surroundings = { ...(await pairing.open()), env }
        const workers = await Promise.all([
          startPythonWorker(celery, surroundings, ['-P', 'solo']),
          startNodeWorker(surroundings),
        ])
        const python = new PythonClient(celery, surroundings)
        const app = createApp(surroundings.broker, surroundings.backend, {}, serializer)
        try {
          const result = await app.sendTask('py.echo', [1, 'é', { a: [1.5, null] }])
          expect(await result.get({ timeout: 20 })).to.deep.equal({
            args: [1, 'é', { a: [1.5, null] }],
            kwargs: {},
          })
          const failed = await app.sendTask('py.fail', ['boom', 42])
          const error = await failed.get({ timeout: 20 }).catch((reason: unknown) => reason)
          expect(error).to.include({ name: 'TaskError', excType: 'ValueError' })
          const { repr } = await python.eval("send('ts.echo', 1, 'é', {'a': [1.5, None]})")
          expect(repr).to.equal("[1, 'é', {'a': [1.5, None]}]")
          const raised = await python.eval("send('ts.fail')").catch((reason: unknown) => reason)
          expect(raised).to.include({ raised: 'TypeError' })
        } finally {
          await app.close()
          await python.stop()
          await Promise.all(workers.map((worker) => worker.stop()))
        }
      })
    })
  }
}

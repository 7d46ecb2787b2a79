/** The commands `call` and `result`, and what is said of wrong words. */

import { expect } from 'chai'
import { runHere } from './command.ts'

const call = 'call [OPTIONS] NAME'
const worker = 'worker [OPTIONS]'

/** What click says of the same words. */
const MISTAKES: readonly (readonly [words: string, command: string, what: string | RegExp])[] = [
  ['call', call, "Missing argument 'NAME'."],
  ['call x -a 5', call, "Invalid value for '-a' / '--args': 5 was not an array"],
  ['call x -k []', call, "Invalid value for '-k' / '--kwargs': [] was not an object"],
  ['call x -a [1', call, /^Invalid value for '-a' \/ '--args': .*JSON/],
  ['call x -a', call, "Option '--args' requires an argument."],
  ['call x y', call, 'Got unexpected extra argument (y)'],
  [
    'call x --countdown soon',
    call,
    "Invalid value for '--countdown': 'soon' is not a valid float.",
  ],
  ['call x --eta xx', call, "Invalid value for '--eta': 'xx' is not a time in ISO 8601."],
  ['result', 'result [OPTIONS] TASK_ID', "Missing argument 'TASK_ID'."],
  ['worker --foo', worker, 'No such option: --foo Did you mean --pool?'],
  ['worker -c x', worker, "Invalid value for '-c' / '--concurrency': 'x' is not a valid integer."],
  ['worker --autoscale x', worker, "Invalid value for '--autoscale': 'x' is not a valid integer."],
  ['worker --autoscale 3,', worker, "Invalid value for '--autoscale': '' is not a valid integer."],
  [
    'worker --autoscale 3,2,1',
    worker,
    "Invalid value for '--autoscale': Expected two comma separated integers or one integer. Got 3 instead.",
  ],
  ['worker --autoscale=-1', worker, /^Invalid value for '--autoscale': autoscale needs two whole/],
  ['worker -l loud', worker, /^Invalid value for '-l' \/ '--loglevel': 'LOUD' is not one of /],
  ['worker -P nosuch', worker, /^Invalid value for '-P' \/ '--pool': 'nosuch' is not one of /],
  ['worker -O fast', worker, /^Invalid value for '-O' \/ '--optimization': 'fast' is not one of /],
]

function usage(command: string): string {
  const [name = ''] = command.split(' ')
  return `Usage: celeriac ${command}\nTry 'celeriac ${name} --help' for help.\n\nError: `
}

describe('cli/run', () => {
  it('shows its version, also before a command', async () => {
    for (const words of [['--version'], ['--version', 'result', 'x']]) {
      const { code, stdout } = await runHere(words)
      expect(stdout).to.match(/^\d+\.\d+\.\d+ \(celeriac\)\n$/)
      expect(code).to.equal(0)
    }
  })

  it('shows its commands when it is given none', async () => {
    const { code, stdout } = await runHere([])
    expect(stdout).to.match(/^Usage: celeriac \[OPTIONS\] COMMAND \[ARGS\]\.\.\./)
    for (const name of ['call', 'result', 'worker']) expect(stdout).to.include(`  ${name} `)
    expect(code).to.equal(0)
  })

  it('shows the options of a command', async () => {
    const { code, stdout } = await runHere(['worker', '--help'])
    for (const option of [
      '-c, --concurrency',
      '-Q, --queues',
      '-P, --pool',
      '--autoscale',
      '-S, --statedb',
    ]) {
      expect(stdout).to.include(option)
    }
    expect(code).to.equal(0)
  })

  for (const [words, command, what] of MISTAKES) {
    it(`refuses '${words}' in click's form`, async () => {
      const { code, stdout, stderr } = await runHere(words.split(' '))
      expect(stderr).to.satisfy((text: string) => text.startsWith(usage(command)), stderr)
      const error = stderr.slice(usage(command).length).trimEnd()
      if (typeof what === 'string') expect(error).to.equal(what)
      else expect(error).to.match(what)
      expect(stdout).to.equal('')
      expect(code).to.equal(2)
    })
  }

  it("tells where -A belongs, in Celery's words", async () => {
    const { code, stderr } = await runHere(['worker', '-A', 'proj'])
    expect(stderr).to.equal(
      'You are using `-A` as an option of the worker sub-command:\n' +
        'celeriac worker -A celeryapp <...>\n\n' +
        'The support for this usage was removed in Celery 5.0. Instead you should use `-A` as a global option:\n' +
        `celeriac -A celeryapp worker <...>\n${usage(worker)}No such option: -A\n`,
    )
    expect(code).to.equal(2)
  })

  it('refuses a command that it does not know', async () => {
    const { code, stderr } = await runHere(['nosuch'])
    expect(stderr).to.match(
      /^Usage: celeriac \[OPTIONS\].*\n.*\n\nError: No such command 'nosuch'\.\n$/,
    )
    expect(code).to.equal(2)
  })

  it('tells that there is no such app', async () => {
    const { code, stderr } = await runHere(['-A', './nomod', 'call', 'x'])
    expect(stderr).to.equal(
      'Usage: celeriac [OPTIONS] COMMAND [ARGS]...\n' +
        "Try 'celeriac --help' for help.\n\n" +
        'Error: \nUnable to load celery application.\nThe module ./nomod was not found.\n',
    )
    expect(code).to.equal(2)
  })

  it('colours on a terminal only, and not with NO_COLOR', async () => {
    const red = '\u001b[31m'
    const words = ['worker', '-A', 'proj']
    expect((await runHere(words, true)).stderr.startsWith(red)).to.equal(true)
    expect((await runHere(words, false)).stderr).to.not.include(red)
    process.env['NO_COLOR'] = '1'
    try {
      expect((await runHere(words, true)).stderr).to.not.include(red)
    } finally {
      delete process.env['NO_COLOR']
    }
  })
})

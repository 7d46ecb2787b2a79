/** The code in a page of documentation: its blocks in order, with the file that the first comment names. */

export interface Block {
  /** What follows the fence, such as `ts`. */
  readonly language: string
  /** From a first line such as `// tasks.ts` or `# tasks.py`. */
  readonly file: string | undefined
  readonly code: string
}

const FENCED = /^```(\w*)[^\n]*\n(.*?)^```$/gms
const FILE = /^(?:\/\/|#) (\S+\.\w+)\n/

export function blocksOf(page: string): readonly Block[] {
  return Array.from(page.matchAll(FENCED), ([, language = '', code = '']) => ({
    language,
    file: FILE.exec(code)?.[1],
    code,
  }))
}

/** An app that cannot be loaded. */

function connect(): never {
  throw new Error('there is no database')
}

export const app: unknown = connect()

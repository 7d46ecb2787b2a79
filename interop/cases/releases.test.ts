/** Which releases of Celery the cases ran against: what is left out is said, not passed over. */

import { expect } from 'chai'
import { celeries } from '../matrix.ts'

describe('the releases of Python Celery', () => {
  it('are the one that is installed', () => {
    expect(celeries()[0]?.version).to.match(/^5\.\d+\.\d+/)
  })

  it('and the one whose sources CELERIAC_TEST_CELERY_PATH names (set it to a folder with celery, kombu, …)', function () {
    if (!process.env['CELERIAC_TEST_CELERY_PATH']) this.skip()
    expect(celeries()).to.have.length(2)
  })
})

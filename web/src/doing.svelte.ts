/* What a screen does, and what went wrong with it, in words. `load` fetches what is shown, now and then again; `act` is what a person asked
 * for. Why an act failed stays until the next one or "Try again": a load that succeeds meanwhile does not wipe it away. */
import { said } from './api'

export class Doing {
  busy = $state('') /* the name of what is being done */
  refused = $state('') /* the act */
  missing = $state('') /* the load */
  error = $derived(this.refused || this.missing)

  /* Nothing to fetch: there is nothing to try again. */
  constructor(readonly fetch?: () => Promise<unknown>) {}

  load = async (): Promise<void> => {
    try {
      await this.fetch?.()
      this.missing = ''
    } catch (e) {
      this.missing = said(e)
    }
  }

  /* True when it was done. */
  async act(run: () => Promise<unknown>, name = 'act'): Promise<boolean> {
    this.busy = name
    this.refused = ''
    try {
      await run()
    } catch (e) {
      this.refused = said(e)
    }
    this.busy = ''
    return !this.refused
  }

  again(): void {
    this.refused = ''
    void this.load()
  }
}

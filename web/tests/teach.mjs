/* The first five minutes, played by a person who likes few words: Hello, a taste, twelve picks by keys, training, the blind check, the
 * result, serving, and an answer through OpenAI's own client. Needs the starter model in build/starter; says so when it is not there. */
import { existsSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import OpenAI from 'openai'
import { check, openPage, program, run, same, Server, starterOrSkip, until } from './lib.mjs'

const starter = starterOrSkip()

const server = await new Server('ui').start()
const wordsOf = (text) => text.split(/\s+/).filter(Boolean).length
let page, lesson, pairs

check('without a model the first screen offers to get one; a file of this machine can be added', async () => {
  page = await openPage(server)
  page.stays = true
  await page.goto(server.url + '/')
  await page.getByRole('button', { name: /Get the starter model/ }).waitFor()
  await page.getByLabel('Use a model on this machine').fill(starter)
  await page.getByRole('button', { name: 'Add it' }).click()
  await page.getByText('written by smollm2').waitFor({ timeout: 60000 })
  await until('words of the model', async () => wordsOf(await page.locator('.answer').innerText()) > 8, 60)
})

check('twelve picks by keys, one of them taken back', async () => {
  await page.getByRole('button', { name: /Teach it/ }).click()
  await page.getByRole('button', { name: /Shorter answers/ }).waitFor()
  await page.keyboard.press('1')
  await page.waitForURL(/teach\/[0-9a-f-]{36}/)
  lesson = page.url().split('/').at(-1)
  for (let picks = 0, undone = false; picks < 12; ) {
    await page.locator('.answers[aria-busy=false]').waitFor({ timeout: 120000 })
    const answers = await page.locator('.answers article p').allInnerTexts()
    const best = answers.map(wordsOf).reduce((at, n, i, all) => (n < all[at] ? i : at), 0)
    await page.keyboard.press(String(best + 1))
    picks++
    await until(`pick ${picks}`, async () => (await server.ask('GET', `/api/v1/teach/${lesson}`)).picks === picks, 30)
    if (picks === 3 && !undone) {
      await page.locator('.answers[aria-busy=false]').waitFor({ timeout: 120000 })
      await page.keyboard.press('u')
      picks--
      undone = true
      await until('one less', async () => (await server.ask('GET', `/api/v1/teach/${lesson}`)).picks === 2, 20)
    }
  }
  pairs = (await server.ask('GET', `/api/v1/teach/${lesson}`)).pairs
  if (pairs < 30 || pairs > 36) throw new Error(`${pairs} pairs`) // three a pick, but of two answers that are the same there is none
})

check('training shows its curves, survives a refresh and ends', async () => {
  await page.getByRole('button', { name: 'Train', exact: true }).waitFor()
  await page.getByText(`${pairs} preference pairs from you`).waitFor()
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Learning' }).waitFor({ timeout: 60000 })
  await page.locator('.chart canvas').first().waitFor({ timeout: 240000 })
  await page.reload()
  await page.locator('.chart canvas').first().waitFor({ timeout: 60000 })
  await page.getByText('The same prompts, answered again').waitFor({ timeout: 240000 })
  await page.getByRole('heading', { name: 'Blind check' }).waitFor({ timeout: 900000 })
})

check('twelve blind votes give a result with its interval', async () => {
  for (let votes = 0; votes < 12; ) {
    await page.locator('.sides[aria-busy=false]').waitFor({ timeout: 180000 })
    const [left, right] = (await page.locator('.sides article p').allInnerTexts()).map(wordsOf)
    await page.keyboard.press(left < right ? 'ArrowLeft' : right < left ? 'ArrowRight' : 'ArrowDown')
    votes++
    await until(`vote ${votes}`, async () => (await server.ask('GET', `/api/v1/teach/${lesson}`)).votes >= votes, 60)
  }
  await page.getByRole('heading', { name: 'Result' }).waitFor({ timeout: 120000 })
  await page.getByText('95 % interval').waitFor({ timeout: 120000 })
  const { rows } = await server.ask('GET', `/api/v1/teach/${lesson}/result`)
  console.log(`# against the start: ${rows[0].won} won, ${rows[0].lost} lost, ${rows[0].tied} equal, drift ${rows[0].drift_nat}`)
  same('votes counted', rows[0].won + rows[0].lost + rows[0].tied + rows[0].bad, 12)
})

check('served under a name, OpenAI’s client gets an answer and its thumb becomes a record', async () => {
  await page.getByRole('button', { name: 'Serve', exact: true }).click()
  await page.getByRole('button', { name: 'Serve it as mine' }).click()
  await page.getByText('served as mine').waitFor()
  const client = new OpenAI({ baseURL: server.url + '/v1', apiKey: 'none', maxRetries: 0 })
  const answer = await client.chat.completions.create({ model: 'mine', messages: [{ role: 'user', content: 'Say hello.' }], max_tokens: 20 })
  if (typeof answer.choices[0].message.content !== 'string' || !answer.usage.completion_tokens) throw new Error(JSON.stringify(answer))
  await server.ask('POST', '/v1/feedback', { id: answer.id, thumb: 'up' })
  const inbox = (await server.ask('GET', '/api/v1/me/datasets')).items.find((d) => d.name === 'inbox')
  same('records of the inbox', (await server.ask('GET', `/api/v1/datasets/${inbox.id}/records`)).items.length, 1)
})

check('the model is exported for other programs', async () => {
  await page.getByRole('button', { name: 'Export', exact: true }).click()
  const dialog = page.locator('dialog')
  await dialog.getByRole('button', { name: 'Export', exact: true }).click()
  await dialog.getByText('It is here:').waitFor({ timeout: 120000 })
  const file = (await dialog.locator('pre').innerText()).trim()
  if (!existsSync(file)) throw new Error(`${file} is not there`)
})

check('the picks are records that a command exports as pairs', async () => {
  const { dataset_id } = await server.ask('GET', `/api/v1/teach/${lesson}`)
  const { name } = await server.ask('GET', `/api/v1/datasets/${dataset_id}`)
  const out = spawnSync(program, ['export', name, '--as', 'pairs', '--home', server.home], { encoding: 'utf8' })
  same('pairs', out.stdout.trim().split('\n').length, pairs)
})

await run(() => server.remove())

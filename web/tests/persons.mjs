/* Persons with a taste teach through the page alone: of four answers they pick the best by Tab and E, edit it, and send it with Ctrl+Enter; they
 * train, and vote in the blind check. Fifty prompts that nobody trained on say what it came to. One who picks at random, without a
 * taste, should be told that there is no clear difference.
 *
 *     node web/tests/persons.mjs build/fettle [shorter|prose|warmer|random]        minutes each
 *     FETTLE_READ=15 ...                           seconds that a person reads before each pick: how long the next four answers take then
 *
 * The rules are those of the demo (`fettle probe taste`). Needs the starter model in build/starter. A person without a taste is told of a
 * difference once in some twenty times, as the interval is one of 95 %. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { check, openPage, program, run, Server, starterOrSkip, until } from './lib.mjs'

const starter = starterOrSkip(), reads = Number(process.env.FETTLE_READ ?? 0) * 1000
const fettle = (...words) => spawnSync(program, words.slice(0, -1), { input: words.at(-1), encoding: 'utf8', maxBuffer: 1 << 26 })
const seconds = (since) => (performance.now() - since) / 1000

/* What a person sees of an answer that ended at the limit: no end of a sentence. */
const isCut = (text) => !/[.!?…:"”')*\]]$/.test(text.trim())

function judge(taste, texts) {
  const lines = texts.map((text) => JSON.stringify({ text, cut: isCut(text), limit: 96 })).join('\n')
  const out = fettle('probe', 'taste', taste, lines)
  if (out.status) throw new Error(out.stderr)
  return out.stdout.trim().split('\n').map((line) => JSON.parse(line))
}
const bestOf = (judged) => judged.reduce((at, x, i) => (x.score > judged[at].score ? i : at), 0)

/* Until the four are whole; seconds it took. */
async function fourAnswers(page) {
  const begun = performance.now()
  await page.locator('.answers[aria-busy=false]').waitFor({ timeout: 300000 })
  return seconds(begun)
}

/* By keys: Tab to the answer, E, all of it replaced, Ctrl+Enter. */
async function sendEdit(page, which, text) {
  const at = () => page.evaluate(() => [...document.querySelectorAll('.answers article')].findIndex((x) => x.querySelector('[data-answer]') === document.activeElement))
  for (let i = 0; (await at()) !== which; i++) {
    if (i > 60) throw new Error('Tab does not reach the answer')
    await page.keyboard.press('Tab')
  }
  await page.keyboard.press('e')
  await page.locator('dialog textarea').waitFor()
  await page.keyboard.press('Control+a')
  await page.keyboard.insertText(text)
  await page.keyboard.press('Control+Enter')
}

async function pickAll(page, server, lesson, choose) {
  const waits = []
  for (let picks = 0; picks < 12; ) {
    const waited = await fourAnswers(page)
    if (picks) waits.push(waited)
    if (reads) await page.waitForTimeout(reads)
    const { best, edit } = choose(await page.locator('.answers article p').allInnerTexts())
    if (edit) await sendEdit(page, best, edit)
    else await page.keyboard.press(String(best + 1))
    picks++
    await until(`pick ${picks}`, async () => (await server.ask('GET', `/api/v1/teach/${lesson}`)).picks === picks, 60)
  }
  waits.sort((a, b) => a - b)
  console.log(`# the next four answers came ${waits[5].toFixed(2)} s after a pick, at most ${waits.at(-1).toFixed(2)} s, with ${reads / 1000} s of reading before each`)
}

async function voteAll(page, server, lesson, taste) {
  for (let votes = 0; votes < 12; ) {
    await page.locator('.sides[aria-busy=false]').waitFor({ timeout: 300000 })
    const both = await until('two answers', async () => {
      const texts = await page.locator('.sides[aria-busy=false] article p').allInnerTexts()
      return texts.length === 2 && texts
    })
    const [left, right] = judge(taste, both)
    await page.keyboard.press(left.score > right.score ? 'ArrowLeft' : right.score > left.score ? 'ArrowRight' : 'ArrowDown')
    votes++
    await until(`vote ${votes}`, async () => (await server.ask('GET', `/api/v1/teach/${lesson}`)).votes >= votes, 120)
  }
}

/* What the demo says of a run: fifty prompts answered by both. */
function heldOut(server, id, taste) {
  const out = fettle('compare', starter, `${starter}:${join(server.home, 'runs', id, 'model')}`, '--judge', taste, '--json', '--quiet', '--temperature', '0.9',
    '--top-p', '1', '--min-p', '0.02', '--top-k', '0', '--repetition-penalty', '1', '--max-new-tokens', '96', '--seed', '1001', '')
  if (out.status) throw new Error(out.stderr)
  const { wins, losses, ties, verdict, before, after } = JSON.parse(out.stdout)
  return { wins, losses, ties, verdict, drift: after.start_loss - before.start_loss, variety: after.distinct_trigrams / before.distinct_trigrams }
}

/* From the first screen to the result. */
async function teach(server, title, taste, choose) {
  const page = await openPage(server), begun = performance.now()
  await page.goto(server.url + '/')
  await page.getByLabel('Use a model on this machine').fill(starter)
  await page.getByRole('button', { name: 'Add it' }).click()
  await page.getByRole('button', { name: /Teach it/ }).click()
  await page.getByRole('button', { name: title }).click()
  await page.waitForURL(/teach\/[0-9a-f-]{36}/)
  const lesson = page.url().split('/').at(-1)
  await pickAll(page, server, lesson, choose)
  const picked = seconds(begun)
  await page.getByRole('button', { name: 'Train', exact: true }).waitFor({ timeout: 120000 })
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Learning' }).waitFor({ timeout: 300000 })
  const words = await page.getByText(/preset small-/).innerText({ timeout: 300000 })
  await page.getByRole('heading', { name: 'Blind check' }).waitFor({ timeout: 1800000 })
  const trained = seconds(begun)
  await voteAll(page, server, lesson, taste)
  await page.getByText('95 % interval').or(page.getByText('of 0')).first().waitFor({ timeout: 300000 })
  const all = seconds(begun), { run: id } = await server.ask('GET', `/api/v1/teach/${lesson}`), made = await server.ask('GET', `/api/v1/runs/${id}`)
  const took = (new Date(made.ended_at) - new Date(made.started_at)) / 1000
  console.log(`# ${words}`)
  console.log(`# ${picked.toFixed(0)} s to the last pick, ${(trained - picked).toFixed(0)} s to the trained model (its process: ${took} s), ${all.toFixed(0)} s to the result`)
  const { rows } = await server.ask('GET', `/api/v1/teach/${lesson}/result`)
  console.log(`# blind: ${rows[0].won} won, ${rows[0].lost} lost, ${rows[0].tied} equal, drift ${rows[0].drift_nat?.toFixed(3)}`)
  return { page, made }
}

async function alone(play) {
  const server = await new Server('ui').start()
  try {
    return await play(server)
  } finally {
    await server.remove()
  }
}

const persons = [['shorter', /Shorter answers/, 'small-feedback'], ['prose', /Prose instead of lists/, 'small-rewrites'], ['warmer', /A warmer tone/, 'small-rewrites']]
for (const [taste, title, preset] of persons)
  check(`one who likes ${taste} answers wins`, () => alone(async (server) => {
    const { made } = await teach(server, title, taste, (texts) => {
      const judged = judge(taste, texts), best = bestOf(judged)
      return { best, edit: judged[best].edit.split(/\s+/).length < 3 || judged[best].edit === texts[best] ? null : judged[best].edit }
    })
    if (made.preset !== preset) throw new Error(`its answers chose ${made.preset}, not ${preset}`)
    const { wins, losses, ties, drift, variety } = heldOut(server, made.id, taste)
    console.log(`# ${taste}, 50 held out: ${wins} won, ${losses} lost, ${ties} equal, drift ${drift.toFixed(3)} nat, variety x ${variety.toFixed(2)}`)
    if (wins + losses < 25) throw new Error(`${wins + losses} of 50 are decided`)
    if (wins < 0.75 * (wins + losses)) throw new Error(`${wins} won, ${losses} lost`)
    if (Math.abs(drift) > 0.3) throw new Error(`a drift of ${drift}`)
  }))

check('one who picks at random is told of no clear difference', () => alone(async (server) => {
  const { page, made } = await teach(server, /My own taste/, 'shorter', () => ({ best: Math.floor(Math.random() * 4), edit: null }))
  await page.getByText('No clear difference').waitFor({ timeout: 60000 })
  const { wins, losses, verdict } = heldOut(server, made.id, 'shorter')
  console.log(`# random, 50 held out: ${wins} won, ${losses} lost by 'shorter': ${verdict}`)
  if (verdict !== 'no clear difference') throw new Error(verdict)
}))

await run()

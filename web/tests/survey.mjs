/* The whole job of a small survey, through the page: prompts and guidelines become a dataset, the starter model drafts answers, two people
 * with accounts make 30 of them follow the guidelines, by keyboard; one button trains; then new answers are held against the guidelines.
 *
 *     node web/tests/survey.mjs build/fettle [--pictures docs/pictures]        minutes; with the pictures of docs/tutorial.md
 *
 * The people are scripts: they keep the first two sentences of a draft and name a source. How far answers follow the guidelines is said twice:
 * by that rule, and by the starter model as a judge, which is a poor one. FETTLE_DRAFT_SECONDS: the model drafts no longer (1200); where it
 * drafted nothing, people write. Needs build/starter; says so when it is not there. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { check, openPage, program, run, same, Server, starterOrSkip, until } from './lib.mjs'
import { smaller } from './png.mjs'

const starter = starterOrSkip()
const wanted = process.argv.indexOf('--pictures'), pictures = wanted > 0 ? process.argv[wanted + 1] : ''
if (pictures) mkdirSync(pictures, { recursive: true })

/* ---- the survey ------------------------------------------------------------------------------------------------------------------- */

const guidelines = `# Answers of our help desk

* **Two sentences** at most, in plain words. No lists, no headings.
* The last line names the chapter to read: \`Source: The Home Handbook, Kitchen.\`
* Chapters: Kitchen, Garden, Repairs, Laundry, Travel.
`
const topics = {
  Kitchen: ['How long do I boil an egg?', 'How do I keep bread fresh?', 'Can I freeze cooked rice?', 'How do I sharpen a kitchen knife?', 'What can I do with stale bread?', 'How do I get burnt food off a pan?', 'How should I store potatoes?', 'How do I know that a melon is ripe?'],
  Garden: ['When do I plant tulips?', 'How often do I water tomatoes?', 'How do I keep snails off my lettuce?', 'When should I cut back roses?', 'What grows well in the shade?', 'How do I start a compost heap?', 'Why are the leaves of my basil yellow?', 'How short should I mow the lawn?'],
  Repairs: ['How do I fix a dripping tap?', 'How do I hang a picture on a plaster wall?', 'My door squeaks. What helps?', 'How do I fill a small hole in the wall?', 'How do I unblock a sink?', 'How do I bleed a radiator?', 'How do I change a bicycle tube?', 'What do I do when a fuse blows?'],
  Laundry: ['How do I get coffee out of a shirt?', 'At what temperature do I wash towels?', 'How do I wash a wool pullover?', 'Why does my washing smell?', 'How do I remove grass stains?', 'How do I keep black clothes black?', 'How do I iron a shirt?', 'What takes chewing gum off trousers?'],
  Travel: ['How early should I be at the airport?', 'What belongs in a first-aid kit for a trip?', 'How do I sleep well on a night train?', 'How do I pack a suit without creases?', 'How do I avoid seasickness?', 'What do I do when my luggage is lost?', 'How do I keep my passport safe?', 'How do I deal with jet lag?'],
}
const all = Object.entries(topics).flatMap(([topic, prompts]) => prompts.map((prompt, i) => ({ topic, prompt, held: i >= 6 })))
const learnt = all.filter((x) => !x.held), held = all.filter((x) => x.held)
const topicOf = Object.fromEntries(all.map((x) => [x.prompt, x.topic]))
const sentences = (text) => text.replace(/[*#`>]/g, '').replace(/^\s*(\d+[.)]|[-•])\s*/gm, '').replace(/\s+/g, ' ').trim().match(/[^.!?]+[.!?]+/g) ?? []

/* What a person makes of a draft. One that says nothing whole is answered anew. */
function edited(draft, topic) {
  const kept = sentences(draft).slice(0, 2).map((x) => x.trim()).join(' ')
  return `${kept && kept.length < 400 ? kept : 'Ask somebody who has done it before.'}\n\nSource: The Home Handbook, ${topic}.`
}

/* The guidelines as a rule: 1 when an answer follows all of them. */
function follows(text) {
  const lines = text.trim().split('\n'), last = lines.pop(), rest = lines.join('\n').trim()
  return Number(/^Source: The Home Handbook, (Kitchen|Garden|Repairs|Laundry|Travel)\.$/.test(last.trim()) && rest && sentences(rest).length <= 2 && !/^\s*(\d+[.)]|[-*•#])\s/m.test(rest))
}

/* ---- the walk --------------------------------------------------------------------------------------------------------------------- */

const server = await new Server().start()
const folder = mkdtempSync(join(tmpdir(), 'fettle-survey-'))
const file = (name, text) => (writeFileSync(join(folder, name), text), join(folder, name))
let owner, set, model

async function picture(page, name) {
  if (!pictures) return
  await page.setViewportSize({ width: 1200, height: 820 })
  await page.waitForTimeout(600)
  writeFileSync(join(pictures, `${name}.png`), smaller(await page.screenshot()))
}

check('the first person becomes the owner, and adds the model and two annotators', async () => {
  const link = (await until('a link', () => server.words.match(/welcome#(\S+)\n/)))[1]
  owner = await openPage(server)
  owner.stays = true
  await owner.goto(`${server.url}/welcome#${link}`)
  await owner.getByLabel('User name').fill('olga')
  await owner.getByLabel('Password').fill('12345678')
  await picture(owner, 'welcome')
  await owner.getByRole('button', { name: 'Become the owner' }).click()
  await owner.getByRole('link', { name: 'Datasets' }).waitFor()
  server.key = server.person('robot', 'owner')
  await server.ask('POST', '/api/v1/models', { name: 'smollm2', path: starter })
  const space = (await server.ask('GET', '/api/v1/me/workspaces')).items[0] ?? (await server.ask('POST', '/api/v1/workspaces', { name: 'helpdesk' }))
  for (const username of ['ann', 'ben']) {
    const made = await server.ask('POST', '/api/v1/users', { username, first_name: username, role: 'annotator', password: '12345678' })
    await server.ask('POST', `/api/v1/workspaces/${space.id}/users`, { user_id: made.id })
  }
})

check('a dataset from a template, with guidelines; prompts from a file', async () => {
  await owner.goto(server.url + '/#/datasets/new')
  await owner.getByText('Edit what a model drafts').click()
  await owner.getByRole('textbox', { name: 'Name' }).fill('help-desk')
  await owner.getByLabel('Guidelines').fill(guidelines)
  await picture(owner, 'new-dataset')
  await owner.getByRole('button', { name: 'Create it' }).click()
  await owner.getByRole('heading', { name: 'help-desk' }).waitFor()
  set = (await server.ask('GET', '/api/v1/me/datasets')).items.find((x) => x.name === 'help-desk')
  await owner.goto(`${server.url}/#/datasets/${set.id}?tab=import`)
  await owner.locator('input[type=file]:not([webkitdirectory])').setInputFiles(file('prompts.csv', 'prompt\n' + learnt.map((x) => `"${x.prompt}"\n`).join('')))
  await owner.getByText('How long do I boil an egg?').first().waitFor()
  await picture(owner, 'import')
  await owner.getByRole('button', { name: 'Import', exact: true }).click()
  await owner.getByText(`${learnt.length} records were imported`).waitFor()
})

check('the starter model drafts an answer to each', async () => {
  const job = await server.ask('POST', `/api/v1/datasets/${set.id}/suggest`, { model: 'smollm2' })
  const begun = Date.now(), patience = Number(process.env.FETTLE_DRAFT_SECONDS ?? 1200)
  const done = await until('the drafts', async () => {
    const now = await server.ask('GET', `/api/v1/jobs/${job.id}`)
    if (!now.ended_at && Date.now() - begun > 1000 * patience) await server.ask('POST', `/api/v1/jobs/${job.id}/stop`)
    return now.ended_at && now
  }, patience + 120)
  if (done.status === 'failed') throw new Error(done.error)
  console.log(`# drafts: ${done.status} within ${Math.round((Date.now() - begun) / 1000)} s: ${JSON.stringify(done.result)}`)
})

/* The prompt on the screen, when it is another than the last one. */
const shown = (page) => until('a record', async () => {
  const text = await page.locator('.record').innerText({ timeout: 1000 }).catch(() => '')
  const x = learnt.find((y) => text.includes(y.prompt) && y.prompt !== page.last)
  return x && (page.last = x.prompt)
}, 20)

async function logIn(name) {
  const page = await openPage(server)
  page.expected.push('409') /* the other one is at that record: the page goes on to the next */
  await page.goto(`${server.url}/#/datasets/${set.id}/annotate`)
  await page.getByLabel('User name').fill(name)
  await page.getByLabel('Password').fill('12345678')
  await page.getByRole('button', { name: 'Log in' }).click()
  return page
}

/* One record: into the text, all of it anew, and off it goes. True: something of the draft was kept. */
async function edit(page, seen = '') {
  const prompt = await shown(page), draft = await page.locator('.form textarea').first().inputValue()
  if (seen) await picture(page, `${seen}-draft`)
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.press('Control+a')
  await page.keyboard.type(edited(draft, topicOf[prompt]))
  if (seen) await picture(page, `${seen}-edit`)
  await page.keyboard.press('Control+Enter')
  return sentences(draft).length > 0
}

check('two people make 30 of them good, by keyboard, at the same time', async () => {
  const people = [await logIn('ann'), await logIn('ben')]
  let kept = 0
  for (let i = 0; i < learnt.length; i++) kept += await edit(people[i % 2], i === 0 ? 'annotate' : '')
  const metrics = await until('all answers', async () => {
    const now = await server.ask('GET', `/api/v1/datasets/${set.id}/users/progress`)
    return now.users.reduce((n, u) => n + (u.completed?.submitted ?? 0), 0) === learnt.length && now
  }, 20)
  same('answers of each', metrics.users.map((u) => [u.username, u.completed.submitted]).filter(([, n]) => n).sort(), [['ann', 15], ['ben', 15]])
  console.log(`# ${kept} of ${learnt.length} drafts held a sentence to keep`)
})

check('one button trains on what they wrote; the curve falls', async () => {
  await owner.goto(`${server.url}/#/datasets/${set.id}`)
  await picture(owner, 'dataset')
  await owner.goto(`${server.url}/#/train?dataset=${set.id}`)
  await owner.getByText('30').first().waitFor()
  await owner.getByLabel(/preset/).selectOption('small-edits')
  await owner.getByRole('button', { name: 'Look before' }).click()
  await owner.getByText('Before it begins').waitFor({ timeout: 120000 })
  await picture(owner, 'train')
  await owner.getByRole('button', { name: 'Start', exact: true }).click()
  await owner.waitForURL(/runs\//, { timeout: 60000 })
  const id = owner.url().split('/').at(-1), begun = Date.now()
  await owner.locator('.chart canvas').first().waitFor({ timeout: 300000 })
  const done = await until('the end of the run', async () => {
    const now = await server.ask('GET', `/api/v1/runs/${id}`)
    return now.ended_at && now
  }, 900)
  same('the run', [done.status, done.reason], ['done', null])
  model = join(server.home, 'runs', id, 'model')
  await owner.getByText('done', { exact: true }).waitFor()
  await picture(owner, 'run')
  const rows = (await server.ask('GET', `/api/v1/runs/${id}/metrics`)).items.filter((r) => r.loss !== undefined)
  const mean = (list) => list.reduce((n, r) => n + r.loss, 0) / list.length, third = Math.ceil(rows.length / 3)
  const [from, to] = [mean(rows.slice(0, third)), mean(rows.slice(-third))]
  console.log(`# ${done.steps} steps in ${Math.round((Date.now() - begun) / 1000)} s, loss ${from.toFixed(2)} to ${to.toFixed(2)}`)
  if (!(to < from)) throw new Error(`the loss went from ${from} to ${to}`)
})

check('on prompts nobody trained on, answers follow the guidelines more often than before', async () => {
  const words = ['compare', 'smollm2', model, '--prompts', file('held.txt', held.map((x) => x.prompt + '\n').join('')), '--judge', 'guidelines', '--guidelines', file('guidelines.md', guidelines), '--judge-model', 'smollm2', '--max-new-tokens', '128', '--temperature', '0', '--json']
  const said = spawnSync(program, words, { encoding: 'utf8', env: { ...process.env, FETTLE_HOME: server.home }, maxBuffer: 1 << 26 })
  if (said.status) throw new Error(said.stderr)
  const out = JSON.parse(said.stdout), n = out.prompts.length
  const share = (side) => out.prompts.filter((x) => follows(x[side])).length
  const before = share('before'), after = share('after')
  console.log(`# by the rule: ${before} of ${n} before, ${after} of ${n} after`)
  console.log(`# by the starter model as a judge, 1 to 5: ${out.before.reward.toFixed(2)} before, ${out.after.reward.toFixed(2)} after; ${out.wins} better, ${out.losses} worse, ${out.ties} equal`)
  for (const x of out.prompts.slice(0, 2)) console.log(`# ${x.prompt}\n#   before: ${JSON.stringify(x.before.slice(0, 300))}\n#   after:  ${JSON.stringify(x.after.slice(0, 300))}`)
  if (!(after >= before + n / 2)) throw new Error('the rule sees too little of a change')
})

await run(() => server.remove())

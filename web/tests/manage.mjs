/* Managing without a terminal: a dataset from a template and from a file, an import with a broken line, settings, review, people. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { check, makeDataset, openPage, run, same, Server, until } from './lib.mjs'
import { edits } from './sets.mjs'

const server = await new Server('ui').start()
const folder = mkdtempSync(join(tmpdir(), 'fettle-files-'))
const file = (name, text) => (writeFileSync(join(folder, name), text), join(folder, name))
const datasets = async () => (await server.ask('GET', '/api/v1/me/datasets')).items

check('a dataset from a template has its fields and questions and is open for records', async () => {
  const page = await openPage(server)
  await page.goto(server.url + '/#/datasets/new')
  await page.getByText('Compare two answers').click()
  await page.getByRole('textbox', { name: 'Name' }).fill('pairs-of-mine')
  await page.getByRole('button', { name: 'Create it' }).click()
  await page.getByRole('heading', { name: 'pairs-of-mine' }).waitFor()
  const [set] = await datasets()
  same('status', set.status, 'ready')
  const questions = (await server.ask('GET', `/api/v1/datasets/${set.id}/questions`)).items
  same('question', questions.map((q) => q.settings.type), ['comparison'])
})

check('a dataset from a file shows its rows first and holds them after', async () => {
  const page = await openPage(server)
  await page.goto(server.url + '/#/datasets/new')
  await page.locator('input[type=file]:not([webkitdirectory])').setInputFiles(file('answers.csv', 'prompt,answer\n"Say ""hi"", please",hello\nSay bye,"good\nbye"\n'))
  await page.getByRole('textbox', { name: 'Name' }).waitFor()
  same('its name', await page.getByRole('textbox', { name: 'Name' }).inputValue(), 'answers')
  await page.getByRole('button', { name: 'Create it' }).click()
  await page.getByRole('heading', { name: 'answers' }).waitFor()
  const set = (await datasets()).find((d) => d.name === 'answers')
  const found = await until('two records', async () => {
    const got = await server.ask('GET', `/api/v1/datasets/${set.id}/records`)
    return got.items.length === 2 && got.items
  })
  same('quotes and line ends', found.map((r) => r.fields.answer).sort(), ['good\nbye', 'hello'])
})

check('a file of preferences is compared by people and trains until then', async () => {
  const page = await openPage(server)
  await page.goto(server.url + '/#/datasets/new')
  await page.locator('input[type=file]:not([webkitdirectory])').setInputFiles(file('prefs.jsonl', '{"prompt":"a","rejected":"no","chosen":"yes"}\n{"prompt":"b","rejected":"n","chosen":"y"}\n'))
  await page.getByRole('textbox', { name: 'Name' }).waitFor()
  await page.getByRole('button', { name: 'Create it' }).click()
  await page.getByRole('heading', { name: 'prefs' }).waitFor()
  const set = (await datasets()).find((d) => d.name === 'prefs')
  await until('two pairs', async () => (await server.ask('GET', `/api/v1/datasets/${set.id}/recipes`)).report?.targets.pairs.count === 2)
  await page.goto(`${server.url}/#/datasets/${set.id}?tab=import`)
  await page.locator('input[type=file]:not([webkitdirectory])').setInputFiles(file('more.jsonl', '{"prompt":"c","rejected":"no","chosen":"yes"}\n'))
  await page.getByRole('button', { name: 'Import', exact: true }).click()
  await page.getByText('1 record was imported').waitFor()
  await until('three pairs', async () => (await server.ask('GET', `/api/v1/datasets/${set.id}/recipes`)).report?.targets.pairs.count === 3)
})

check('a broken line is named, nothing of its file is kept; the whole file goes in and comes out again', async () => {
  const set = (await datasets()).find((d) => d.name === 'answers')
  const page = await openPage(server)
  page.expected.push('422')
  await page.goto(`${server.url}/#/datasets/${set.id}?tab=import`)
  await page.locator('input[type=file]:not([webkitdirectory])').setInputFiles(file('bad.jsonl', '{"prompt":"a","answer":"b"}\n{"prompt":\n'))
  await page.getByRole('alert').filter({ hasText: 'line 2' }).waitFor()
  await page.locator('input[type=file]:not([webkitdirectory])').setInputFiles(file('good.jsonl', '{"prompt":"a","answer":"b"}\n{"prompt":"c","answer":"d"}\n'))
  await page.getByRole('button', { name: 'Import', exact: true }).click()
  await page.getByText('2 records were imported').waitFor()
  same('records', (await server.ask('GET', `/api/v1/datasets/${set.id}/records`)).items.length, 4)
  await page.getByRole('button', { name: 'Undo' }).first().click()
  await until('undone', async () => (await server.ask('GET', `/api/v1/datasets/${set.id}/records`)).items.length === 2)
})

check('what people disagree on is settled by a press', async () => {
  const spaces = await server.ask('GET', '/api/v1/me/workspaces')
  const key = server.person('bea', 'annotator', spaces.items[0].name)
  const set = await makeDataset(server, {
    name: 'disputed', min: 2,
    fields: [{ name: 'prompt', title: 'Prompt', required: true, settings: { type: 'text' } }],
    questions: [{ name: 'good', title: 'Good?', required: true, settings: { type: 'label_selection', options: [{ value: 'yes', text: 'Yes' }, { value: 'no', text: 'No' }] } }],
    records: [{ fields: { prompt: 'Is this good?' } }],
  })
  const record = set.records[0].id, says = (value) => ({ values: { good: { value } }, status: 'submitted' })
  await server.ask('POST', `/api/v1/records/${record}/responses`, says('yes'))
  await server.ask('POST', `/api/v1/records/${record}/responses`, says('no'), key)
  const page = await openPage(server)
  await page.goto(`${server.url}/#/datasets/${set.id}?tab=quality`)
  await page.getByRole('rowheader', { name: 'bea' }).waitFor()
  await page.getByRole('row', { name: /Good\? 1 0%/ }).waitFor()
  const [sheet] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()])
  if (!/^person,answers,[^]*\r\nbea,1,/.test(readFileSync(await sheet.path(), 'utf8'))) throw new Error(readFileSync(await sheet.path(), 'utf8'))
  const assigned = async () => (await server.ask('GET', `/api/v1/datasets/${set.id}/assignments`)).items
  await page.getByLabel('Records', { exact: true }).fill('1')
  await page.getByRole('button', { name: 'Assign' }).click()
  await page.getByText('1 / 1').waitFor()
  same('assigned', (await assigned()).length, 1)
  await page.getByRole('button', { name: 'End the assignment of bea' }).click()
  await page.getByText('Everybody answers what comes next.').waitFor()
  same('assigned', (await assigned()).length, 0)
  await page.goto(`${server.url}/#/datasets/${set.id}?tab=review`)
  await page.locator('.answer').filter({ hasText: 'bea' }).getByRole('button', { name: 'Settle on this' }).click()
  await page.getByText('Nobody disagrees').waitFor()
  same('gold', (await server.ask('GET', `/api/v1/records/${record}/gold`)).values.good.value, 'no')
})

check('a folder goes into a dataset; one that was written for Argilla becomes a dataset with its answers', async () => {
  const old = (await datasets()).find((d) => d.name === 'disputed'), out = join(folder, 'export')
  const made = spawnSync(process.argv[2], ['export', 'disputed', '--to', 'argilla', '--out', out, '--home', server.home], { encoding: 'utf8' })
  if (made.status) throw new Error(made.stderr)
  const page = await openPage(server)
  await page.goto(server.url + '/#/datasets/new')
  await page.locator('input[webkitdirectory]').setInputFiles(out)
  await page.getByText('An export of Argilla').waitFor()
  await page.getByText('Look at the rows').click()
  await page.getByRole('main').getByText('Is this good?').first().waitFor()
  await page.getByRole('textbox', { name: 'Name' }).fill('disputed again')
  await page.getByRole('button', { name: 'Create it' }).click()
  await page.getByRole('heading', { name: 'disputed again' }).waitFor()
  const set = (await datasets()).find((d) => d.name === 'disputed again')
  const ofBoth = await Promise.all([old, set].map((s) => server.ask('GET', `/api/v1/datasets/${s.id}/questions`)))
  same('questions', ...ofBoth.map((x) => x.items.map((q) => [q.name, q.title, q.settings.options.map((o) => o.value)])))
  const [record] = await until('its record', async () => {
    const { items } = await server.ask('GET', `/api/v1/datasets/${set.id}/records?include=responses`)
    return items.length && items
  })
  same('answers', record.responses.map((r) => r.values.good.value).sort(), ['no', 'yes'])
  /* of people who are not here the answers stay away, and the page says how many */
  const records = join(out, 'records.json')
  writeFileSync(records, readFileSync(records, 'utf8').replace(/"user_id":"[^"]*"/, '"user_id":"5a3b1f64-8d78-4b74-82d4-72d502905a34"').replace(/"id":"[^"]*"/, '"id":"other"'))
  await page.goto(`${server.url}/#/datasets/${set.id}?tab=import`)
  await page.locator('input[webkitdirectory]').setInputFiles(out)
  await page.getByRole('button', { name: 'Import', exact: true }).click()
  await page.getByText('1 record was imported. 1 answer of somebody who is not here was left out.').waitFor()
  mkdirSync(join(folder, 'rows'))
  for (const name of ['a', 'b']) writeFileSync(join(folder, 'rows', `${name}.csv`), `prompt\n"of ${name}"\n`)
  writeFileSync(join(folder, 'rows', 'notes.txt'), 'not rows')
  await page.goto(`${server.url}/#/datasets/${set.id}?tab=import`)
  await page.locator('input[webkitdirectory]').setInputFiles(join(folder, 'rows'))
  await page.getByRole('button', { name: 'Import', exact: true }).click()
  await page.getByText('2 records were imported').waitFor()
  const prompts = (await server.ask('GET', `/api/v1/datasets/${set.id}/records`)).items.map((r) => r.fields.prompt)
  same('prompts', prompts.sort(), ['Is this good?', 'Is this good?', 'of a', 'of b'])
  /* its records alone, as the SDK's to_json has them: seen by what they hold */
  await page.locator('input[type=file]:not([webkitdirectory])').setInputFiles(join(out, 'records.json'))
  await page.getByText('An export of Argilla').waitFor()
})

check('changed guidelines are a new version', async () => {
  const set = (await datasets()).find((d) => d.name === 'answers')
  const page = await openPage(server)
  await page.goto(`${server.url}/#/datasets/${set.id}?tab=settings`)
  await page.getByLabel('Guidelines').fill('# Be brief')
  await page.getByRole('button', { name: 'Save' }).first().click()
  await until('a version', async () => (await server.ask('GET', `/api/v1/datasets/${set.id}/guidelines`)).items[0]?.guidelines === '# Be brief')
})

check('a published dataset gets a field and a question, and loses a question with its answers', async () => {
  const set = (await datasets()).find((d) => d.name === 'disputed')
  const place = `/api/v1/datasets/${set.id}`, names = async (what) => (await server.ask('GET', `${place}/${what}`)).items.map((x) => x.name)
  const page = await openPage(server)
  await page.goto(`${server.url}/#/datasets/${set.id}?tab=settings`)
  await page.getByLabel('Name of a new field').fill('context')
  await page.getByRole('button', { name: 'Add a text field' }).click()
  await until('a field', async () => (await names('fields')).includes('context'))
  await page.getByRole('button', { name: 'Add a question' }).click()
  await until('a question', async () => (await names('questions')).length === 2)
  await page.locator('summary').filter({ hasText: 'Good?' }).click()
  await page.getByRole('button', { name: 'Remove the question' }).first().click()
  same('one press removes nothing', (await names('questions')).length, 2)
  await page.getByRole('button', { name: 'Remove it and its answers' }).click()
  await until('no question', async () => !(await names('questions')).includes('good'))
})

check('somebody is invited by a link, sets a password and is in; the link is over then', async () => {
  const page = await openPage(server)
  await page.goto(server.url + '/#/people')
  await page.getByLabel('User name').fill('carl')
  await page.getByRole('button', { name: 'Invite' }).click()
  const link = (await page.locator('dialog pre').innerText()).trim()
  await page.keyboard.press('Escape')
  await page.getByText('invited, until').waitFor()
  const guest = await openPage(server)
  guest.expected.push('403')
  await guest.goto(link)
  await guest.getByRole('heading', { name: 'Welcome, carl' }).waitFor()
  await guest.getByLabel('Password').fill('correct horse')
  await guest.getByLabel('The same again').fill('correct horse')
  await guest.getByRole('button', { name: 'Come in' }).click()
  await guest.getByRole('navigation').waitFor()
  const answer = await fetch(server.url + '/api/v1/token', { method: 'POST', body: new URLSearchParams({ username: 'carl', password: 'correct horse' }) })
  same('login', answer.status, 201)
  await guest.goto('about:blank')
  await guest.goto(link)
  await guest.getByRole('heading', { name: 'This invitation is over' }).waitFor()
})

check('an owner sees when the keys and sessions of others were last used, and ends them', async () => {
  const page = await openPage(server)
  await page.goto(server.url + '/#/people')
  await page.locator('.person').filter({ hasText: 'carl' }).getByRole('button', { name: 'Keys and sessions' }).click()
  const passes = page.locator('dialog li'), ends = page.getByRole('button', { name: 'End it' })
  await passes.filter({ hasText: /, used / }).first().waitFor()
  for (let left = await ends.count(); left; left--) {
    await ends.first().click()
    await until('one less', async () => (await ends.count()) === left - 1)
  }
  await page.getByText('No key and no session.').waitFor()
  const carl = (await server.ask('GET', '/api/v1/users')).items.find((u) => u.username === 'carl')
  same('keys', (await server.ask('GET', `/api/v1/users/${carl.id}/keys`)).items, [])
  await page.getByRole('button', { name: 'New key' }).click()
  const key = (await page.locator('dialog pre').innerText()).trim()
  same('whose key', (await server.ask('GET', '/api/v1/me', undefined, key)).username, 'carl')
})

check('in Spanish, why records teach nothing is said in Spanish too', async () => {
  const set = await edits(server), page = await openPage(server, { locale: 'es' })
  await page.goto(`${server.url}/#/datasets/${set.id}`)
  await page.getByText('8 × nadie ha respondido la pregunta').first().waitFor()
  await page.goto(`${server.url}/#/train?dataset=${set.id}`)
  await page.getByText('nadie ha respondido la pregunta (8/8)').first().waitFor()
})

check('an invitation that is taken back takes the person along', async () => {
  const page = await openPage(server)
  await page.goto(server.url + '/#/people')
  await page.getByLabel('User name').fill('dora')
  await page.getByRole('button', { name: 'Invite' }).click()
  await page.locator('dialog pre').waitFor()
  await page.keyboard.press('Escape')
  await page.locator('.person').filter({ hasText: 'dora' }).getByRole('button', { name: 'Take it back' }).click()
  await page.locator('.person').filter({ hasText: 'dora' }).waitFor({ state: 'detached' })
  same('people', (await server.ask('GET', '/api/v1/users')).items.filter((u) => u.username === 'dora'), [])
})

/* A model elsewhere that tells no log-probabilities: it says B where letters are asked for, and writes one sentence otherwise. */
function speaker() {
  const far = createServer((request, answer) => {
    let text = ''
    request.on('data', (d) => (text += d))
    request.on('end', () => {
      const letters = /Say the letter|Say A or B/.test(text), content = letters ? 'B' : 'A better answer.'
      answer.setHeader('Content-Type', 'application/json')
      answer.end(JSON.stringify({ choices: [{ message: { content }, finish_reason: 'stop' }], usage: { prompt_tokens: 100, completion_tokens: 5 } }))
    })
  })
  return new Promise((ok) => far.listen(0, '127.0.0.1', () => ok(far)))
}

check('a model suggests: tried first, then ahead of people, then everywhere; its cost is told and it stops', async () => {
  const far = await speaker()
  const set = await makeDataset(server, {
    name: 'helped', guidelines: 'Be brief.', fields: [{ name: 'prompt', title: 'Prompt', required: true, settings: { type: 'text' } }],
    questions: [
      { name: 'better', title: 'Write it better', required: true, settings: { type: 'text' } },
      { name: 'topic', title: 'Topic', required: false, settings: { type: 'label_selection', options: [{ value: 'sea', text: 'Sea' }, { value: 'sky', text: 'Sky' }] } },
    ],
    records: [1, 2, 3, 4, 5].map((i) => ({ fields: { prompt: `Prompt number ${i}` } })),
  })
  const suggested = async () => {
    const counts = await Promise.all(set.records.map(async (r) => (await server.ask('GET', `/api/v1/records/${r.id}/suggestions`)).items.length))
    return counts.join()
  }
  const page = await openPage(server)
  await page.goto(`${server.url}/#/datasets/${set.id}?tab=assist`)
  await page.getByLabel('Model', { exact: true }).fill(`http://127.0.0.1:${far.address().port}/v1#big`)
  await page.getByLabel('Cost of a million tokens read').fill('10')
  await page.getByLabel('Topic').uncheck()
  await page.getByRole('button', { name: 'Try on three records' }).click()
  await page.getByText('A better answer.').nth(2).waitFor()
  same('nothing is written by a trial', await suggested(), '0,0,0,0,0')
  await page.getByLabel('Records ahead').fill('2')
  await page.getByRole('button', { name: 'Switch it on' }).click()
  await until('two ahead', async () => (await suggested()) === '1,1,0,0,0')
  await page.getByText('on, nothing to do now').waitFor()
  await page.getByText('2 suggestions, 2 requests, 210 tokens so far. Cost: 0.002.').waitFor()
  await server.ask('POST', `/api/v1/records/${set.records[0].id}/responses`, { values: { better: { value: 'x' } }, status: 'submitted' })
  await until('the queue moves on', async () => (await suggested()) === '1,1,1,0,0')
  await page.getByRole('button', { name: 'Stop' }).click()
  await page.getByText('off', { exact: true }).waitFor()
  await page.reload()
  same('the settings stay', await page.getByLabel('Model', { exact: true }).inputValue(), `http://127.0.0.1:${far.address().port}/v1#big`)
  await page.getByRole('button', { name: 'Suggest answers' }).click()
  await page.getByText('2 suggestions written, 3 were there, 0 failed.').waitFor()
  same('all have one', await suggested(), '1,1,1,1,1')
  await page.goto(`${server.url}/#/datasets/${set.id}/annotate`)
  await page.locator('.record').waitFor()
  await until('people see it', async () => (await page.locator('textarea').first().inputValue()) === 'A better answer.')
  far.close()
})

/* A model elsewhere that writes a task at each request for some, answers, criticises, and prefers the shorter of two. */
function writer() {
  let n = 0, t = 0
  const tasks = ['Say what the weather does to hair.', 'List three birds that sing before dawn.', 'Compare bread with rice as food for walkers.', 'Tell a short joke about violins.']
  const far = createServer((request, answer) => {
    let text = ''
    request.on('data', (d) => (text += d))
    request.on('end', () => {
      const letters = /Say the letter|Say A or B/.test(text), list = /Come up with/.test(text)
      const content = letters ? 'B' : /Critique:/.test(text) ? `Rain, ${++n}.` : /does not follow/.test(text) ? 'It is long.' : list ? `3. ${tasks[t++ % tasks.length]}` : `Answer ${++n}: it rains.`
      answer.setHeader('Content-Type', 'application/json')
      answer.end(JSON.stringify({ choices: [{ message: { content }, finish_reason: 'stop' }], usage: { prompt_tokens: 100, completion_tokens: 5 } }))
    })
  })
  return new Promise((ok) => far.listen(0, '127.0.0.1', () => ok(far)))
}

const namesOf = async () => (await server.ask('GET', '/api/v1/me/datasets')).items.map((d) => d.name)

check('tasks are made out of a few, by keyboard, and their dataset opens', async () => {
  const far = await writer(), page = await openPage(server)
  await page.goto(`${server.url}/#/datasets/new`)
  await page.getByRole('link', { name: 'New tasks from a few' }).focus()
  await page.keyboard.press('Enter')
  await page.getByLabel('One per line').focus()
  await page.keyboard.type('Write a poem about the sea.\nExplain why leaves are green.')
  await page.getByText('2 of 1,000 at most').waitFor()
  await page.getByLabel('Model', { exact: true }).fill(`http://127.0.0.1:${far.address().port}/v1#big`)
  await page.getByLabel('Name', { exact: true }).fill('tasks of a model')
  await page.getByLabel('New tasks').fill('2')
  same('terms are wanted', await page.getByRole('button', { name: 'Make tasks' }).isEnabled(), false)
  await page.getByLabel('Terms of what it writes').fill('apache-2.0')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'tasks of a model' }).waitFor()
  same('it is there', (await namesOf()).includes('tasks of a model'), true)
  await page.goto(`${server.url}/#/datasets/synth`)
  await page.locator('input[type=file]:not([webkitdirectory])').setInputFiles(file('seeds.jsonl', '{"instruction":"Name a bird\\nthat sings."}\n{"instruction":"Sum up the week."}\n'))
  await until('tasks of the file', async () => (await page.getByLabel('One per line').inputValue()) === 'Name a bird that sings.\nSum up the week.')
  await page.getByLabel('The prompts of a dataset').selectOption({ label: 'tasks of a model' })
  await until('tasks of the dataset', async () => (await page.getByLabel('One per line').inputValue()).startsWith('Say what the weather does to hair.\nList three'))
  far.close()
})

check('pairs are judged, or revised by principles, from the prompts of a dataset', async () => {
  const far = await writer(), page = await openPage(server)
  const set = await makeDataset(server, {
    name: 'asked', guidelines: 'Be brief.', fields: [{ name: 'prompt', title: 'Prompt', required: true, settings: { type: 'text' } }],
    questions: [{ name: 'better', title: 'Answer', required: true, settings: { type: 'text' } }],
    records: [1, 2].map((i) => ({ fields: { prompt: `Does it rain on day ${i}?` } })),
  })
  await page.goto(`${server.url}/#/datasets/${set.id}?tab=assist`)
  const at = `http://127.0.0.1:${far.address().port}/v1#big`
  await page.getByLabel('Model', { exact: true }).fill(at)
  await page.getByLabel('Who answers').fill(at)
  await page.getByLabel('How').selectOption('revise')
  await page.getByLabel('Principles, one per line').fill('Use one word.')
  await page.getByLabel('Terms of what it writes').fill('mit')
  await page.getByLabel('Name', { exact: true }).fill('revised')
  await page.getByRole('button', { name: 'Make pairs' }).click()
  await page.getByText('Made: 2; left out: 0.').waitFor()
  const train = await page.getByRole('link', { name: 'Train' }).getAttribute('href')
  await page.getByRole('link', { name: 'Open the dataset' }).click()
  await page.getByRole('heading', { name: 'revised' }).waitFor()
  await page.goto(`${server.url}/${train}`)
  await page.getByRole('list', { name: 'What this dataset can train' }).waitFor()
  same('objective', await page.getByLabel('How it learns (objective)').inputValue(), 'dpo')
  far.close()
})

check('a file is looked at without being sent', async () => {
  const page = await openPage(server)
  const sent = []
  page.on('request', (r) => r.method() !== 'GET' && sent.push(r.url()))
  await page.goto(server.url + '/#/viewer')
  await page.locator('input[type=file]:not([webkitdirectory])').setInputFiles(file('look.tsv', 'prompt\tn\nHow?\t3\nWhy?\t4\n'))
  await page.getByRole('cell', { name: 'How?' }).waitFor()
  await page.getByLabel('Search').fill('why')
  await page.getByText('1 found').waitFor()
  same('sent', sent, [])
})

await run(() => server.remove())

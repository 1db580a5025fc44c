/* The way in: the first owner's link, login, logout; what the pages are served with. */
import { check, openPage, run, same, Server, until } from './lib.mjs'

const server = await new Server().start()
const link = (await until('a link', () => server.words.match(/welcome#(\S+)\n/)))[1]

const ann = async (page, password, button) => {
  await page.getByLabel('User name').fill('ann')
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: button }).click()
}

check('the first page comes packed, with a strict policy, and is asked for again cheaply', async () => {
  const answer = await fetch(server.url + '/', { headers: { 'Accept-Encoding': 'gzip' } })
  same('status', answer.status, 200)
  for (const words of ["default-src 'none'", "require-trusted-types-for 'script'", "frame-ancestors 'none'"])
    if (!answer.headers.get('content-security-policy').includes(words)) throw new Error(`the policy lacks ${words}`)
  same('nosniff', answer.headers.get('x-content-type-options'), 'nosniff')
  const again = await fetch(server.url + '/', { headers: { 'If-None-Match': answer.headers.get('etag') } })
  same('asked again', again.status, 304)
  const asset = (await answer.text()).match(/assets\/[^"]+\.js/)[0]
  const file = await fetch(`${server.url}/${asset}`)
  same('an asset is kept for ever', file.headers.get('cache-control'), 'public, max-age=31536000, immutable')
  const plain = await fetch(`${server.url}/${asset}`, { headers: { 'Accept-Encoding': 'identity' } })
  same('packed or not, the same', await plain.text(), await file.text())
  same('no such page', (await fetch(server.url + '/assets/..%2findex.html')).status, 404)
})

check('a link that is not whole says so, the right one makes an owner who is logged in', async () => {
  const page = await openPage(server)
  await page.goto(server.url + '/welcome')
  await page.getByText('The link is not whole').waitFor()
  page.expected.push('403')
  await page.goto('about:blank')
  await page.goto(`${server.url}/welcome#${link.slice(1)}`)
  await ann(page, 'correct horse', 'Become the owner')
  await page.getByRole('alert').waitFor()
  await page.goto('about:blank')
  await page.goto(`${server.url}/welcome#${link}`)
  await ann(page, 'correct horse', 'Become the owner')
  await page.getByRole('navigation').waitFor()
  await page.getByRole('link', { name: 'Datasets' }).waitFor()
})

check('a wrong password says so; the right one, logout, and the page behind it', async () => {
  const page = await openPage(server)
  page.expected.push('401')
  await page.goto(server.url + '/#/settings')
  await ann(page, 'wrong horse', 'Log in')
  await page.getByText('Incorrect username or password').waitFor()
  await page.getByLabel('Password').fill('correct horse')
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('heading', { name: 'Settings' }).waitFor()
  await page.getByRole('button', { name: 'Log out' }).first().click()
  await page.getByLabel('User name').waitFor()
})

check('who ends the session they are in, among the people, is asked to log in', async () => {
  const page = await openPage(server)
  page.expected.push('401')
  await page.goto(server.url + '/#/people')
  await ann(page, 'correct horse', 'Log in')
  await page.locator('.person').filter({ hasText: 'ann' }).getByRole('button', { name: 'Keys and sessions' }).click()
  await page.locator('dialog').getByRole('button', { name: 'Log out' }).click()
  await page.getByLabel('User name').waitFor()
})

check('who only annotates comes to the datasets, and no page is offered or opened that their role does not open', async () => {
  const key = server.person('boss', 'owner')
  const space = await server.ask('POST', '/api/v1/workspaces', { name: 'team' }, key)
  const set = await server.ask('POST', '/api/v1/datasets', { name: 'set', workspace_id: space.id }, key)
  const bea = await server.ask('POST', '/api/v1/users', { username: 'bea', first_name: 'Bea', role: 'annotator', password: 'correct horse' }, key)
  await server.ask('POST', `/api/v1/workspaces/${space.id}/users`, { user_id: bea.id }, key)
  const page = await openPage(server)
  await page.goto(server.url + '/')
  await page.getByLabel('User name').fill('bea')
  await page.getByLabel('Password').fill('correct horse')
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('heading', { name: 'Datasets' }).waitFor()
  const offered = await page.getByRole('navigation').getByRole('link').allInnerTexts()
  same('offered', offered.map((x) => x.trim()).filter((x) => x && x !== 'fettle'), ['Datasets', 'Runs', 'Chat', 'Arena', 'Models', 'Settings'])
  for (const path of ['/teach', '/teach/new', '/datasets/new', '/datasets/synth', '/train', '/people']) {
    await page.goto(`${server.url}/#${path}`)
    await page.getByRole('heading', { name: 'There is nothing here' }).waitFor()
  }
  await page.goto(`${server.url}/#/datasets/${set.id}?tab=settings`)
  await page.getByRole('heading', { name: 'set' }).waitFor()
  same('tabs of others', await page.getByRole('tab').count(), 0)
})

check('in Spanish and in the dark', async () => {
  const page = await openPage(server, { locale: 'es', colorScheme: 'dark' })
  await page.goto(server.url + '/')
  await page.getByText('Contraseña').waitFor()
  same('language', await page.evaluate(() => document.documentElement.lang), 'es')
  same('theme', await page.evaluate(() => document.documentElement.dataset.theme), 'dark')
})

await run(() => server.remove())

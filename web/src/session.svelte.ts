/* Who sits here, and what this server is. */
import { ask, get, listeners } from './api'
import { startEvents, stopEvents } from './events'

export type Role = 'owner' | 'admin' | 'annotator'
export interface Person {
  id: string
  username: string
  first_name: string
  last_name: string | null
  role: Role
}

export const session = $state({
  state: 'asking' as 'asking' | 'nobody' | 'here' | 'expired' | 'unreachable',
  me: null as Person | null,
  open: false /* this machine alone, without a login */,
  waiting: false /* nobody is the owner yet */,
  online: true,
})

listeners.unauthorized = () => {
  if (session.state === 'here') session.state = 'expired'
}
listeners.reached = (yes) => {
  session.online = yes
}

export async function findOut(): Promise<void> {
  try {
    const about = await get<{ fettle: { open: boolean; waiting: boolean; me: Person | null } }>('/api/v1/settings')
    Object.assign(session, about.fettle)
    session.state = session.me ? 'here' : 'nobody'
    if (session.me) startEvents()
  } catch {
    session.state = 'unreachable'
  }
}

export async function logIn(username: string, password: string): Promise<void> {
  const body = new URLSearchParams({ username, password })
  await ask('POST', '/api/v1/token', Object.fromEntries(body))
  session.me = await get<Person>('/api/v1/me')
  session.state = 'here'
  startEvents()
}

export async function logOut(): Promise<void> {
  stopEvents()
  await ask('DELETE', '/api/v1/me/session')
  session.me = null
  session.state = 'nobody'
}

const order: Role[] = ['annotator', 'admin', 'owner']
export const may = (role: Role): boolean => !!session.me && order.indexOf(session.me.role) >= order.indexOf(role)

/* The screens: one file and one row each. A row with `nav` stands in the navigation, in the order of the rows; `who` is the least role
 * that may see it (the server judges again); `wide` takes the whole width. The file is loaded when it is first shown, and gets the
 * names of `path` as `params` and the rest of the address as `query`. docs: ../README.md */
import type { Component } from 'svelte'
import type { Role } from './session.svelte'
import type { Key } from './texts'
import type { IconName } from './ui/icons'

export interface ScreenProps {
  params: Record<string, string>
  query: Record<string, string>
}

/* Screens that need neither leave them out. */
export type Shown = Component<ScreenProps> | Component<Record<string, never>>

export interface Screen {
  path: string
  title: Key
  nav?: IconName
  who?: Role
  wide?: boolean
  load: () => Promise<{ default: Shown }>
}

export const screens: Screen[] = [
  { path: '/teach', title: 'nav.teach', nav: 'spark', who: 'admin', load: () => import('./screens/Hello.svelte') },
  { path: '/teach/new', title: 'nav.teach', who: 'admin', load: () => import('./screens/Taste.svelte') },
  { path: '/teach/:id', title: 'nav.teach', who: 'admin', load: () => import('./screens/Teach.svelte') },
  { path: '/datasets', title: 'nav.datasets', nav: 'layers', load: () => import('./screens/Datasets.svelte') },
  { path: '/datasets/:id/annotate', title: 'datasets.annotate', wide: true, load: () => import('./screens/Annotate.svelte') },
  { path: '/train', title: 'train.title', who: 'admin', load: () => import('./screens/Train.svelte') },
  { path: '/runs', title: 'nav.runs', nav: 'chart', load: () => import('./screens/Runs.svelte') },
  { path: '/runs/:id', title: 'nav.runs', load: () => import('./screens/RunOne.svelte') },
  { path: '/compare', title: 'compare.title', load: () => import('./screens/Compare.svelte') },
  { path: '/chat', title: 'nav.chat', nav: 'chat', load: () => import('./screens/Chat.svelte') },
  { path: '/arena', title: 'nav.arena', nav: 'scale', load: () => import('./screens/Arena.svelte') },
  { path: '/models', title: 'nav.models', nav: 'box', load: () => import('./screens/Models.svelte') },
  { path: '/datasets/new', title: 'new.title', who: 'admin', load: () => import('./screens/DatasetNew.svelte') },
  { path: '/datasets/synth', title: 'synth.title', who: 'admin', load: () => import('./screens/Synth.svelte') },
  { path: '/datasets/:id', title: 'nav.datasets', load: () => import('./screens/DatasetOne.svelte') },
  { path: '/viewer', title: 'viewer.title', load: () => import('./screens/Viewer.svelte') },
  { path: '/people', title: 'nav.people', nav: 'people', who: 'owner', load: () => import('./screens/People.svelte') },
  { path: '/settings', title: 'nav.settings', nav: 'gear', load: () => import('./screens/Settings.svelte') },
  { path: '/licences', title: 'licences.title', load: () => import('./screens/Licences.svelte') },
]

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
  { path: '/datasets', title: 'nav.datasets', nav: 'layers', load: () => import('./screens/Datasets.svelte') },
  { path: '/datasets/:id/annotate', title: 'datasets.annotate', wide: true, load: () => import('./screens/Annotate.svelte') },
  { path: '/settings', title: 'nav.settings', nav: 'gear', load: () => import('./screens/Settings.svelte') },
  { path: '/licences', title: 'licences.title', load: () => import('./screens/Licences.svelte') },
]

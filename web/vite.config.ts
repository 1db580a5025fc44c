/* How dist/ is made: the same bytes wherever it is built. Names carry a hash of their contents, and licences.txt is collected from
 * the packages whose code ends up in the bundle. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig, type Plugin } from 'vite'

const bundled = ['diff', 'dompurify', 'hyparquet', 'marked', 'svelte', 'uplot']

function licenceOf(name: string): string {
  const folder = join(import.meta.dirname, 'node_modules', name)
  const about = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const files = readdirSync(folder).filter((f) => /^(licen[cs]e|notice)/i.test(f)).sort()
  const texts = files.map((f) => readFileSync(join(folder, f), 'utf8').trim())
  return `${name} ${about.version}  (${about.license})\n\n${texts.join('\n\n')}\n`
}

function licences(): Plugin {
  const line = `\n${'-'.repeat(100)}\n\n`
  return {
    name: 'licences',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'licences.txt', source: bundled.map(licenceOf).join(line) })
    },
  }
}

export default defineConfig({
  base: './',
  plugins: [svelte(), licences()],
  server: { proxy: { '/api': 'http://127.0.0.1:6900', '/v1': 'http://127.0.0.1:6900' } },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
})

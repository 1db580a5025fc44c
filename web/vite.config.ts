/* How dist/ is made: the same bytes wherever it is built. Names carry a hash of their contents, and licences.txt is collected from
 * the packages whose code ends up in the bundle. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig, type Plugin } from 'vite'

const bundled = ['diff', 'hyparquet', 'marked', 'svelte', 'uplot']

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

/* Few files instead of many small ones: they pack better together. What one screen alone needs and is large (curves, Markdown, Parquet)
 * stays by itself, and so does what the first screen needs. */
const together: [string, RegExp][] = [
  ['base', /node_modules.svelte|vite.preload|web.src.([a-z_.]+\.ts|App\.svelte|main\.ts|texts.index\.ts|ui.(?!markdown|uplot|Diff).*)$/],
  ['first', /screens.Hello|run.Starter/],
  ['door', /screens.(Expired|Join|Login|LoginForm|Welcome)\./],
  ['annotate', /web.src.(annotate|questions|fields)|screens.Annotate/],
  ['manage', /web.src.dataset|screens.(Dataset|Synth|Viewer|People|Settings|Licences)/],
  ['models', /web.src.(run.(?!Starter)|teach)|screens.(Train|Run|Compare|Models|Arena|Chat|Taste|Teach)/],
]

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
    rolldownOptions: {
      checks: { pluginTimings: false },
      output: { codeSplitting: { groups: together.map(([name, test]) => ({ name, test })) } },
    },
  },
})

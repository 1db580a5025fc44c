/* Small pictures: a PNG with up to 256 colours of its own instead of any. Screens have few; what is left out is in the smoothing of letters. */
import { crc32, deflateSync, inflateSync } from 'node:zlib'

/* Rows of RGB of what a browser writes: 8 bits, RGB or RGBA, not interlaced. */
function decode(file) {
  let width = 0, height = 0, channels = 0
  const parts = []
  for (let at = 8; at < file.length; ) {
    const length = file.readUInt32BE(at), name = file.toString('latin1', at + 4, at + 8), data = file.subarray(at + 8, at + 8 + length)
    if (name === 'IHDR') [width, height, channels] = [data.readUInt32BE(0), data.readUInt32BE(4), data[9] === 6 ? 4 : 3]
    if (name === 'IDAT') parts.push(data)
    at += 12 + length
  }
  const raw = inflateSync(Buffer.concat(parts)), stride = width * channels, pixels = Buffer.alloc(height * stride)
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)]
    for (let x = 0; x < stride; x++) {
      const a = x >= channels ? pixels[y * stride + x - channels] : 0, b = y ? pixels[(y - 1) * stride + x] : 0
      const c = x >= channels && y ? pixels[(y - 1) * stride + x - channels] : 0
      const p = a + b - c, near = Math.abs(p - a) <= Math.abs(p - b) && Math.abs(p - a) <= Math.abs(p - c) ? a : Math.abs(p - b) <= Math.abs(p - c) ? b : c
      const guess = [0, a, b, (a + b) >> 1, near][filter]
      pixels[y * stride + x] = raw[y * (stride + 1) + 1 + x] + guess
    }
  }
  return { width, height, channels, pixels }
}

/* The most frequent colours, where shadows are; of the others none nearer than `gap` to one before it. */
function paletteOf(counts) {
  const sorted = [...counts.entries()].sort((x, y) => y[1] - x[1]).map(([c]) => [c >> 16, (c >> 8) & 255, c & 255])
  for (let gap = 0; ; gap += 3) {
    const out = []
    for (const c of sorted) {
      if (out.length === 257) break
      if (!gap || out.length < 150 || out.every((o) => Math.abs(o[0] - c[0]) + Math.abs(o[1] - c[1]) + Math.abs(o[2] - c[2]) > gap)) out.push(c)
    }
    if (out.length <= 256) return out
  }
}

function chunk(name, data) {
  const head = Buffer.alloc(8), tail = Buffer.alloc(4), named = Buffer.concat([Buffer.from(name, 'latin1'), data])
  head.writeUInt32BE(data.length, 0)
  head.write(name, 4, 'latin1')
  tail.writeUInt32BE(crc32(named), 0)
  return Buffer.concat([head, data, tail])
}

/* The same picture with a palette. */
export function smaller(file) {
  const { width, height, channels, pixels } = decode(file), counts = new Map()
  const at = (i) => (pixels[i * channels] << 16) | (pixels[i * channels + 1] << 8) | pixels[i * channels + 2]
  for (let i = 0; i < width * height; i++) counts.set(at(i), (counts.get(at(i)) ?? 0) + 1)
  const palette = paletteOf(counts), index = new Map()
  for (const c of counts.keys()) {
    let best = 0, least = Infinity
    palette.forEach((p, i) => {
      const d = (p[0] - (c >> 16)) ** 2 + (p[1] - ((c >> 8) & 255)) ** 2 + (p[2] - (c & 255)) ** 2
      if (d < least) [best, least] = [i, d]
    })
    index.set(c, best)
  }
  const rows = Buffer.alloc(height * (width + 1)), head = Buffer.alloc(13)
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = index.get(at(y * width + x))
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head.set([8, 3, 0, 0, 0], 8)
  return Buffer.concat([file.subarray(0, 8), chunk('IHDR', head), chunk('PLTE', Buffer.from(palette.flat())), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))])
}

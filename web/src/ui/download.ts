/* A file made in the page, saved by the browser. */
export function download(name: string, pieces: string[], type: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob(pieces, { type }))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10000)
}

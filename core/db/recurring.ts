/**
 * Tells texts that come again from those that come once. Only the first `most` that do are told: clients can think
 * up new ones without end, and each that is kept prepared costs memory in every connection.
 */
export function recurring(most: number): (text: string) => boolean {
  const once = new Set<string>()
  const again = new Set<string>()
  return (text) => {
    if (again.has(text)) return true
    if (again.size === most) return false
    if (once.delete(text)) {
      again.add(text)
      return true
    }
    if (once.size === most) once.clear()
    once.add(text)
    return false
  }
}

/** A perl program that dies: its sentence goes to stderr. 255 unless an errno was left over, such as 2. */
export class Died extends Error {
  readonly exit: number
  constructor(message: string, exit = 255) {
    super(message)
    this.exit = exit
  }
}

/** What a tool is called with: the state's folder, the node it runs on, and the caller's arguments. */
export type Program = { folder: string; node: string; args: string[] }

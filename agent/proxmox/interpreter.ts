import { closeSync, openSync, readSync } from 'node:fs'

/** What a script's first line says. */
export type Interpreter = {
  /** What it is run by: `/bin/bash`, or `/usr/bin/env bash`. A folder that lets nothing be executed is no matter. */
  command: string[]
  /** What must be there for that. */
  program: string
}

const LINE_BYTES_MAX = 256

/** A script without such a line is sh's. */
export const interpreterOf = (file: string): Interpreter => {
  const fd = openSync(file, 'r')
  try {
    const head = Buffer.alloc(LINE_BYTES_MAX)
    const length = readSync(fd, head, 0, head.length, 0)
    return parseInterpreter(head.toString('utf8', 0, length))
  } finally {
    closeSync(fd)
  }
}

/** As the kernel reads it: a program, and all that follows it as one argument. */
export const parseInterpreter = (text: string): Interpreter => {
  const [, program, argument] = /^#![ \t]*(\/\S+)(?:[ \t]+(\S.*?))?[ \t\r]*(?:\n|$)/.exec(text) ?? []
  if (!program) return { command: ['/bin/sh'], program: '/bin/sh' }
  const command = argument === undefined ? [program] : [program, argument]
  const viaEnv = /\/env$/.test(program) && argument !== undefined && /^[\w.+-]+$/.test(argument)
  return { command, program: viaEnv ? argument : program }
}

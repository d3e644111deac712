import { z } from 'zod'

/** What package managers allow in names and versions; nothing that a terminal, a page or a shell could mistake. */
export const packageName = z.string().regex(/^[A-Za-z0-9@_][A-Za-z0-9@._+:~-]{0,254}$/)
export const packageVersion = z.string().regex(/^[!-~]{1,255}$/)
export const packageArch = z.string().regex(/^[A-Za-z0-9_.-]{0,50}$/)

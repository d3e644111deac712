import type { FieldErrors } from '../../core/errors.ts'

/** What is wrong with a dry run that is to be followed by a restart, by field; nothing where all is well. */
export const followedDryRun = (record: { mode: string; after_patch: string }): FieldErrors =>
  record.mode !== 'dry-run' || ['', 'never'].includes(record.after_patch)
    ? {}
    : {
        after_patch: {
          code: 'validation_invalid_value',
          message: 'A dry run changes nothing to restart for; it must be "never".',
        },
      }

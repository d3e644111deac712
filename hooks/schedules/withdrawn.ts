/** What is said of an operation or a reboot that no schedule stands for any more. */
export const WITHDRAWN = 'Its schedule was switched off or deleted before the agent took it.'

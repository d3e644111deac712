/** What the agent says it is. Kept equal to package.json by a test; a bundled agent has no package.json to read. */
export const version = '0.1.0'

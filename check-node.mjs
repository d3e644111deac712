// Loaded before every entry point, and so kept to what the oldest Node anyone has can parse.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    'Patchbase needs Node 24 or newer and was started with ' +
      process.versions.node +
      '; run "npm ci" in this folder, which brings the right one, and start it with "npm start".',
  )
  process.exit(1)
}

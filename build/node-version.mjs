// Before the scripts that people run first. Plain JavaScript, since an older Node.js has to read it.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 2)) {
  console.error(
    `This needs Node.js 24.2 or newer, and runs on ${process.versions.node}. Run "npm ci" with optional packages: they bring it to Linux, macOS and Windows on x64 and arm64. Elsewhere, install it first.`,
  );
  process.exitCode = 1;
}

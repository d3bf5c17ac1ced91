// Asks one npm, by its own command table and its own option parser, what it makes of words and of command lines.
// Arguments: npm's folder, and how many command lines to make up. Answers with one JSON document on standard output.
// The command lines are made up from that npm's own options by a generator with a fixed seed: every run sees the
// same ones.
'use strict'

const { createRequire } = require('node:module')
const { join } = require('node:path')
const { readFileSync } = require('node:fs')

const [, , root, count] = process.argv
const ofNpm = createRequire(join(root, 'package.json'))
const first = (...attempts) => {
  for (const attempt of attempts) {
    try {
      return attempt()
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND' && error.code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') throw error
    }
  }
  throw new Error('this npm keeps its tables in a place that the test does not know')
}

// npm 7, then 9 and later, then 8, which has it as a method that uses no `this`.
const list = ofNpm('./lib/utils/cmd-list.js')
const deref = first(
  () => ofNpm('./lib/utils/deref-command.js'),
  () => list.deref ?? ofNpm('./lib/npm.js').prototype.deref)
const commands = [...(list.commands ?? list.cmdList), ...(list.plumbing ?? [])]
const full = [...new Set([...commands, ...Object.keys(list.aliases)])]

const camelCase = word => word.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase())
const words = new Map()
for (const word of full) {
  for (let length = 1; length <= word.length; length++) {
    const prefix = word.slice(0, length)
    for (const typed of [prefix, camelCase(prefix)]) {
      words.set(typed, { typed, command: deref(typed) || null, full: full.includes(typed) })
    }
  }
}

const { definitions, shorthands } = first(
  () => ofNpm('./lib/utils/config/index.js'),
  () => ofNpm('@npmcli/config/lib/definitions'))
const ofConfig = createRequire(ofNpm.resolve('@npmcli/config'))
const nopt = ofConfig('nopt')
nopt.typeDefs = ofConfig('./type-defs.js')
const types = Object.fromEntries(Object.entries(definitions).map(([name, { type }]) => [name, type]))

// mulberry32
let state = 20240229
const random = () => {
  state = (state + 0x6d2b79f5) | 0
  let mixed = Math.imul(state ^ (state >>> 15), state | 1)
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
}
const below = limit => Math.floor(random() * limit)
const pick = items => items[below(items.length)]

const names = Object.keys(types)
const short = Object.keys(shorthands)
const letters = short.filter(name => name.length === 1)
const values = ['true', 'false', 'null', 'always', 'foo', '1', '-', 'dev', 'global', 'x@1', 'install', 'ls', '']
const option = () => {
  const name = pick(names)
  return pick([
    () => [`--${name}`],
    () => [`--${name}`, pick(values)],
    () => [`--${name}=${pick(values)}`],
    () => [`--no-${name}`],
    () => [`--no-${name}=${pick(values)}`],
    () => [`--NO-no-${name}`],
    () => [`-${name}`],
    () => [`--${name.slice(0, 2 + below(name.length))}`, pick(values)],
    () => [`-${pick(letters)}`],
    () => [`-${pick(letters)}=${pick(values)}`],
    () => [`-${pick(letters)}${pick(letters)}`],
    () => [`-${pick(letters)}${pick(letters)}`, pick(values)],
    () => [`--${pick(short)}`],
    () => [`--${pick(short)}`, pick(values)],
    () => ['--never-heard-of'],
    () => [`--never-heard-of=${pick(values)}`],
  ])()
}
const some = (most, make) => Array.from({ length: below(most + 1) }, make).flat()

/* What is certain to install with these arguments; what may install is left out. */
const installs = (command, rest, { call, package: packages }) => {
  switch (command) {
    case 'audit': return rest[0] === 'fix'
    case 'cache': return rest[0] === 'add' && rest.length > 1
    case 'exec': return !call && (rest.length > 0 || [].concat(packages ?? []).length > 0)
    case 'init': case 'pack': return rest.length > 0
    default: return ['ci', 'dedupe', 'install', 'install-ci-test', 'install-test', 'link', 'prune', 'rebuild',
      'uninstall', 'update'].includes(command)
  }
}
const installing = full.filter(word => installs(deref(word), ['fix'], {}) || installs(deref(word), ['add', 'x'], {}))

const lines = []
for (let number = 0; number < Number(count); number++) {
  const line = [
    ...some(3, option),
    ...(below(8) ? [] : ['--']),
    below(12) ? pick(installing) : pick(full),
    ...some(3, () => pick([option, () => [pick(['fix', 'add', 'foo'])]])()),
  ]
  const { argv: { remain }, ...read } = nopt({ ...types }, { ...shorthands }, [...line], 0)
  if (read.version || read.versions || read.usage || read['dry-run']) continue
  const [typed, ...rest] = remain
  const command = deref(typed)
  if (command && installs(command, rest, read)) lines.push({ line, command, rest })
}

/* What each command's file reaches, in npm's own code, that can fetch the content of a package: by the text. */
const FETCHING = /require\('(pacote|libnpm(?:pack|exec|diff|publish|version))'\)|\b(buildIdealTree|reify|rebuild)\b *\(/g
const read = new Map()
const fetchesOf = (file, seen = new Set()) => {
  if (seen.has(file)) return []
  seen.add(file)
  if (!read.has(file)) {
    const text = readFileSync(file, 'utf8').replace(/\/\*[^]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
    // npm's core belongs to every command and to none.
    const others = [...text.matchAll(/require\('(\.[^']*)'\)/g)]
      .map(match => createRequire(file).resolve(match[1]))
      .filter(other => other.endsWith('.js') && !/[\\/](npm|cli|base-cmd|base-command|exit-handler)\.js$/.test(other))
    read.set(file, { found: [...text.matchAll(FETCHING)].map(match => match[1] ?? match[2]), others })
  }
  const { found, others } = read.get(file)
  return [...found, ...others.flatMap(other => fetchesOf(other, seen))]
}
const fileOf = command => first(
  () => ofNpm.resolve(`./lib/commands/${command}.js`),
  () => ofNpm.resolve(`./lib/commands/${command}/index.js`),
  () => ofNpm.resolve(`./lib/${command}.js`))
const reach = [...new Set(full.map(word => deref(word)))].filter(Boolean)
  .map(command => ({ command, fetches: [...new Set(fetchesOf(fileOf(command)))] }))

process.stdout.write(JSON.stringify({ words: [...words.values()], lines, reach }))

'use strict'

// The way to scfw's verifier and back, for any manager: what is asked, what was accepted, and how a manager ends that
// was stopped.

const fs = require('fs')

const { MESSAGES, PROTOCOL, SCFW_GATE_RUN, UNVERIFIED, typed, verifier } = require('./gate.cjs')
const { liftSwitches } = require('./environment.cjs')

// Takes back the note that this run's gate has not reported.
function noteAttached () {
  try {
    fs.unlinkSync(process.env[SCFW_GATE_RUN] || '')
  } catch (er) {
    // Another manager of this run was first.
  }
}

// A manager as its points know it. Each of them has a subclass with what is its own.
class Manager {
  constructor (name) {
    // Its name in the document and in the table of switches.
    this.name = name
    // Its version, where that is known already.
    this.version = null
    // The program as it was called.
    this.program = name
    // What has passed the verifier in this process, so that its warnings are not asked about twice.
    this.accepted = new Set()
    // What it has been told of as installed. A repository is accepted before, to be cloned.
    this.reported = new Set()
    // Whether this manager, which the gate cannot hold, may go on without it.
    this.isLetGo = false
  }

  // What tells `target` from others.
  keyOf (target) {
    return JSON.stringify([target.name, target.version, target.url])
  }

  // Why the manager cannot go on with the targets that it is given, once the verifier has let them pass; nothing where
  // it can.
  objection () {
    return null
  }

  // Keeps the manager's progress from painting over a report or a question.
  pause () {}

  // Lets it go on.
  resume () {}

  // Sends a document to the verifier and gives its exit status.
  ask (phase, targets, reason) {
    this.pause()
    const { status, error } = require('child_process').spawnSync(verifier, ['verify'], {
      input: JSON.stringify({
        protocol: PROTOCOL,
        manager: this.name,
        version: this.version,
        phase,
        program: this.program,
        argv: typed,
        targets,
        reason,
      }),
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    this.resume()
    if (error && status === null) {
      fs.writeSync(2, `scfw: the verifier ${verifier} could not be run: ${error.message}\n`)
    }
    return status === null ? UNVERIFIED : status
  }

  // Asks the verifier about `targets`; returns when they may be built or installed.
  verify (phase, targets) {
    const known = phase === 'build' ? this.accepted : this.reported
    if (targets.every(target => known.has(this.keyOf(target)))) {
      return
    }
    for (const target of targets) {
      target.accepted = this.accepted.has(this.keyOf(target))
    }
    const objection = this.objection(targets)
    const status = this.ask(phase, targets)
    if (status !== 0) {
      this.stop(status)
    }
    if (objection) {
      this.refuse(objection)
    }
    for (const target of targets) {
      this.accepted.add(this.keyOf(target))
      known.add(this.keyOf(target))
    }
  }

  // The same for what is about to be installed, each target once.
  verifyInstalled (targets) {
    this.verify('install', [...new Map(targets.map(target => [this.keyOf(target), target])).values()])
  }

  // Ends the process before the manager does anything, unless the verifier lets it go on without the gate.
  goOnUnverified (reason) {
    noteAttached()
    if (!this.isLetGo) {
      const status = this.ask('unsupported', [], reason)
      if (status !== 0) {
        process.exit(status)
      }
      this.isLetGo = true
    }
  }

  // Makes the manager roll back, report the error and end with `status`.
  stop (status) {
    process.once('exit', () => { process.exitCode = status })
    const message = MESSAGES[status] || `scfw ended with status ${status}`
    throw Object.assign(new Error(message), { code: 'ESCFW', errno: status, exitCode: status })
  }

  // Says why nothing can be installed, and makes the manager end.
  refuse (reason) {
    fs.writeSync(2, `scfw: ${reason.replace(/[^\x20-\x7e]/g, '?')}\n`)
    this.stop(UNVERIFIED)
  }

  // Whether all the methods are there; without one the manager does not go on, or goes on unverified.
  hasPoints (owner, ownerName, names) {
    const missing = names.find(name => typeof owner[name] !== 'function')
    if (missing) {
      const point = typeof missing === 'symbol' ? `[${missing.description}]` : `.${missing}`
      const subject = `${this.name} ${this.version}`
      this.goOnUnverified(
        `${subject} has no ${ownerName}${point}; this ${this.name} is newer than scfw's gate: update scfw`)
    }
    return !missing
  }

  // The manager is about to read its configuration: the gate has attached.
  lift () {
    liftSwitches(this.name)
    noteAttached()
  }
}

module.exports = { Manager }

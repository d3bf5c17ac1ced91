'use strict'

// The environment of a manager and of what it starts: the switches, and the ways on which a child finds the gate.

const path = require('path')

const { SCFW_GATE_COMMANDS, SCFW_GATE_NODE, SWITCHES } = require('./gate.cjs')

// NODE_OPTIONS as the gate was loaded by them.
const armed = process.env.NODE_OPTIONS || ''

const isOn = name => !['', '0', 'false', 'no', 'off'].includes((process.env[name] || '').toLowerCase())

// Gives the manager of that name the values that the user had set, or none.
function liftSwitches (manager) {
  for (const [variable, own, , keeper] of SWITCHES[manager]) {
    delete process.env[variable]
    const kept = process.env[keeper] || ''
    if (kept.startsWith('=')) {
      process.env[own] = kept.slice(1)
    }
  }
}

// Puts the switches back, so that whatever the manager starts has them again.
function setSwitches (manager) {
  for (const [variable, own, value, keeper] of SWITCHES[manager]) {
    process.env[keeper] = own in process.env ? `=${process.env[own]}` : ''
    delete process.env[own]
    process.env[variable] = value
  }
}

// Puts the gate back into NODE_OPTIONS, where a manager or the user's settings have replaced them.
function keepGate () {
  const now = process.env.NODE_OPTIONS || ''
  if (!now.includes(process.env[SCFW_GATE_NODE] || __dirname)) {
    process.env.NODE_OPTIONS = `${armed} ${now}`.trim()
  }
}

// Makes a manager that is called by its name go through scfw again, whatever became of NODE_OPTIONS on the way.
function putCommandsFirst () {
  const commands = process.env[SCFW_GATE_COMMANDS]
  const programs = process.env.PATH
  if (commands && programs && !programs.split(path.delimiter).includes(commands)) {
    process.env.PATH = commands + path.delimiter + programs
  }
}

module.exports = { isOn, keepGate, liftSwitches, putCommandsFirst, setSwitches }

#!/usr/bin/env node
import { nodePlatform, readEnvironment, setExitCode } from '../node/index.ts'
import { runProgram } from './program.ts'
import { processTerminal } from './process-terminal.ts'

const environment = readEnvironment()
const { files } = nodePlatform()
const terminal = processTerminal(environment.isTerminal)
setExitCode(await runProgram({ environment, files, terminal }, environment.arguments))

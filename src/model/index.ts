/** What everybody speaks: the Database surface, errors, consistency, settings, and the StateMachine that a sequencer drives. */
export * from './consistency.ts'
export * from './database.ts'
export * from './errors.ts'
export * from './names.ts'
export * from './reads.ts'
export * from './settings.ts'
export * from './state-machine.ts'

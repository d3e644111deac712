/** What went wrong in a way that its sentence tells all: the simulator prints it and exits with 1. */
export class SimulatorError extends Error {
  override name = 'SimulatorError'
}

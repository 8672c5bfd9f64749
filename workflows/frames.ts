/**
 * How many frames of a call stack are kept. The SDK takes down where every promise of a workflow was made, for Temporal's "Call stack", and
 * looks each frame up in the source map: with V8's ten frames that was a quarter of the workflow thread's time and
 * some 100 MB of a busy worker (measured). Loaded before all else in the workflows' context, which is frozen afterwards.
 */
Error.stackTraceLimit = 4;

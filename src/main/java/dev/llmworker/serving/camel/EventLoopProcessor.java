package dev.llmworker.serving.camel;

import org.apache.camel.Processor;

/// A step that never waits: not for the engine, a contended lock, a file or a socket. An HTTP route of nothing but such
/// steps runs on the event loop, which answers it three times as fast as a thread of its own would.
public interface EventLoopProcessor extends Processor {}

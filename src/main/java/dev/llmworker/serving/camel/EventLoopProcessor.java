package dev.llmworker.serving.camel;

import org.apache.camel.Processor;

/// A step that holds up no event loop: it waits for no engine, no lock that is held for long, no file and no socket, or
/// goes on on a thread of its own where it has to. An HTTP route of such steps begins on the event loop.
public interface EventLoopProcessor extends Processor {}

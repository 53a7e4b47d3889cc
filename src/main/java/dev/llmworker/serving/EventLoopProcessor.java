package dev.llmworker.serving;

import org.apache.camel.Processor;

/// A step that never waits: for no engine, no lock that is held for long, no file and no socket. An HTTP route of such
/// steps alone runs on the event loop, without a thread of its own.
interface EventLoopProcessor extends Processor {}

/// A soak of the worker from outside, by hand: `java src/test/java/dev/llmworker/soak/Soak.java`. It uses the JDK
/// alone.
package dev.llmworker.soak;

package dev.llmworker.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.api.parallel.ResourceLock;

/// On a class whose tests start processes and wait for them: it runs beside other classes, but not beside another one
/// of these. They share the machine's ports, and a processor that several starting JVMs would fill. Its tests run one
/// after the other. They may write to the log, so a test that expects exact lines of it is `@Isolated`.
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Execution(ExecutionMode.CONCURRENT)
@ResourceLock("processes")
public @interface StartsProcesses {}

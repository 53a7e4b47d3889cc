package dev.llmworker.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/// On a test: it may run at the same time as other tests of its class, and its cases beside each other. For tests that
/// wait, or that compute on one core.
///
/// On a class: all its tests may, and the class runs beside other classes. For tests that share nothing with others: no
/// port, no log, no setting of the JVM, and no limit on how long something may take. Other classes run one after the
/// other.
@Target({ElementType.METHOD, ElementType.TYPE})
@Retention(RetentionPolicy.RUNTIME)
@Execution(ExecutionMode.CONCURRENT)
public @interface Concurrent {}

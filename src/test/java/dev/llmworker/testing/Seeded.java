package dev.llmworker.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.LifecycleMethodExecutionExceptionHandler;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;
import org.opentest4j.TestAbortedException;

/// A test whose input is random, by [Seeds]. `src/test/fuzz.sh` finds it by its tag. If it fails, the message says how
/// to repeat it.
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
@Tag("random")
@ExtendWith(Seeded.NameTheSeed.class)
public @interface Seeded {
    /// Adds the seed to each failure.
    final class NameTheSeed implements TestExecutionExceptionHandler, LifecycleMethodExecutionExceptionHandler {
        @Override
        public void handleTestExecutionException(ExtensionContext context, Throwable failure) throws Throwable {
            rethrow(context, failure);
        }

        @Override
        public void handleAfterEachMethodExecutionException(ExtensionContext context, Throwable failure)
                throws Throwable {
            rethrow(context, failure);
        }

        private static void rethrow(ExtensionContext context, Throwable failure) throws Throwable {
            if (failure instanceof TestAbortedException) {
                throw failure;
            }
            var test = context.getRequiredTestClass().getSimpleName()
                    + '#'
                    + context.getRequiredTestMethod().getName();
            throw new AssertionError(
                    failure + "\nRepeat it: mvn test -Dtest=" + test + " -D" + Seeds.PROPERTY + '=' + Seeds.seed()
                            + " -Drounds=" + Seeds.rounds(1),
                    failure);
        }
    }
}

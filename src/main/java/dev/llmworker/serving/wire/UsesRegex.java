package dev.llmworker.serving.wire;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/// A class of `serving` that may use regular expressions. All others must not: a client's header or path could make one
/// take the square of its length, on the event loop that serves everybody. A test checks this.
@Documented
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.CLASS)
public @interface UsesRegex {
    /// Whose text the expressions see, if it is not a client's; or why they take linear time and no stack.
    String value();
}

package load;

import java.util.List;

/// One answer as its client saw it.
///
/// @param at seconds of the run when it was asked for
/// @param millis until it was whole, or failed
/// @param tokens as the server counts them
/// @param tokenMillis when each piece of text came, since it was asked for; empty where the answer comes whole
/// @param failure empty where it came to its end
record Generation(double at, double millis, long tokens, List<Double> tokenMillis, String failure) {
    boolean isOk() {
        return failure.isEmpty();
    }
}

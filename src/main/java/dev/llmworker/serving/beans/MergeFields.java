package dev.llmworker.serving.beans;

import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.camel.AggregationStrategy;
import org.apache.camel.Exchange;
import org.jspecify.annotations.Nullable;

/// The aggregation strategy `mergeFields`: merges bodies that are `Map`s, as the bean `answer` leaves them, into one
/// `Map` with the fields of all.
final class MergeFields implements AggregationStrategy {
    @Override
    public @Nullable Exchange aggregate(@Nullable Exchange merged, @Nullable Exchange next) {
        if (next == null) {
            // `pollEnrich` found nothing within its timeout.
            return merged;
        }
        var fields = new LinkedHashMap<Object, Object>();
        if (merged != null && merged.getMessage().getBody() instanceof Map<?, ?> before) {
            fields.putAll(before);
        }
        if (next.getException() == null) {
            if (!(next.getMessage().getBody() instanceof Map<?, ?> more)) {
                throw new IllegalStateException("mergeFields needs a Map as each branch's body");
            }
            fields.putAll(more);
        }
        var result = merged == null ? next : merged;
        result.getMessage().setBody(fields);
        return result;
    }
}

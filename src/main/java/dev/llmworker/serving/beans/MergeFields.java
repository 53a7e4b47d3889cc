package dev.llmworker.serving.beans;

import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.camel.AggregationStrategy;
import org.apache.camel.Exchange;
import org.jspecify.annotations.Nullable;

/// The aggregation strategy `mergeFields`: of bodies that are `Map`s, as the bean `answer` leaves them, one with the
/// fields of all.
final class MergeFields implements AggregationStrategy {
    @Override
    public Exchange aggregate(@Nullable Exchange merged, Exchange next) {
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

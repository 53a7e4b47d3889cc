package dev.llmworker.serving.beans;

import org.apache.camel.Exchange;
import org.apache.camel.Expression;
import org.apache.camel.Predicate;
import org.apache.camel.support.ExpressionAdapter;
import org.apache.camel.support.ExpressionToPredicateAdapter;
import org.apache.camel.support.LanguageSupport;

/// The language `prompt`: a text in which `{name}` becomes the variable `name`, else the body's field of that name, as
/// the bean `template` has it. `resource:file:prompt.txt` reads the text from a file.
final class PromptLanguage extends LanguageSupport {
    @Override
    public Expression createExpression(String expression) {
        var template = loadResource(expression);
        return new ExpressionAdapter() {
            @Override
            public Object evaluate(Exchange exchange) {
                return TemplateProcessor.fill(template, exchange);
            }
        };
    }

    @Override
    public Predicate createPredicate(String expression) {
        return ExpressionToPredicateAdapter.toPredicate(createExpression(expression));
    }
}

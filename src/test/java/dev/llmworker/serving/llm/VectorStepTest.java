package dev.llmworker.serving.llm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.Task;
import dev.llmworker.testing.LogLines;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.VectorModel;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The steps `llm:embed` and `llm:rerank` in routes of a user's own.
@Timeout(120)
class VectorStepTest {
    private static final String TO_MAP = "unmarshal: {custom: {ref: strictJson}}";
    private static final String TEXT = "setBody: {simple: '${body[input]}'}";
    private static final String TO_JSON = "marshal: {json: {library: Jackson}}";

    @TempDir
    Path folder;

    private void answers(Task task, String body, String expected, String... steps) throws Exception {
        var routes = RouteFolder.in(folder).route("step", "platform-http:/step", steps);
        try (var generator = VectorModel.of(task).start(task);
                var worker = RunningWorker.with(generator, routes.path())) {
            assertEquals(
                    expected,
                    worker.post("/step", body.replace('\'', '"')).body().replace('"', '\''));
        }
    }

    @Test
    void aTextBecomesItsEmbedding() throws Exception {
        answers(
                Task.EMBED,
                "{'input':'aaabbbb'}",
                "[0.6, 0.8]|7",
                TO_MAP,
                TEXT,
                "to: 'llm:embed?dimensions=2'",
                "setBody: {simple: '${body}|${header.CamelLlmPromptTokens}'}");
    }

    @Test
    void aListOfTextsBecomesAListOfEmbeddings() throws Exception {
        answers(
                Task.EMBED,
                "{'input':['a','bb']}",
                "[[1.0,0.0,0.0,0.0],[0.0,1.0,0.0,0.0]]",
                TO_MAP,
                "setBody: {simple: {expression: '${body[input]}', resultType: java.util.List}}",
                "to: 'llm:embed'",
                TO_JSON);
    }

    @Test
    void documentsAreInTheOrderOfTheirScores() throws Exception {
        answers(
                Task.RERANK,
                "{'q':'Which?','documents':['-',{'text':'++','id':7},'+']}",
                "[{'text':'++','id':7},'+']",
                TO_MAP,
                "setHeader: {name: CamelLlmQuery, simple: '${body[q]}'}",
                "setBody: {simple: {expression: '${body[documents]}', resultType: java.util.List}}",
                "to: {uri: 'llm:rerank', parameters: {topN: 2}}",
                TO_JSON);
    }

    @Test
    void theScoresAreInAHeader() throws Exception {
        answers(
                Task.RERANK,
                "{'documents':['.','.']}",
                "scores [0.5, 0.5]",
                TO_MAP,
                "setBody: {simple: {expression: '${body[documents]}', resultType: java.util.List}}",
                "to: 'llm:rerank?query=Which'",
                "setBody: {simple: 'scores ${header.CamelLlmScores}'}");
    }

    @Test
    void whatIsWrongWithAMessageIsTheClientsMistake() throws Exception {
        answers(
                Task.RERANK,
                "{'documents':['.']}",
                "{'error':'query is missing; set it, or the header CamelLlmQuery','code':'invalid_request'}",
                TO_MAP,
                "setBody: {simple: {expression: '${body[documents]}', resultType: java.util.List}}",
                "to: 'llm:rerank'");
    }

    @Test
    void aTextThatIsMissingIsTheClientsMistake() throws Exception {
        answers(
                Task.EMBED,
                "{'input':'x'}",
                "{'error':'the body has no text; it must be a text or a list of texts','code':'invalid_request'}",
                TO_MAP,
                "to: 'llm:embed'");
    }

    @Test
    void aModelThatDoesSomethingElseIsNamed() throws Exception {
        answers(
                Task.EMBED,
                "{'documents':['.']}",
                "{'error':'this worker serves \\'vectors\\', which makes embeddings (TASK=embed); it does not serve rerank"
                        + " requests','code':'task_not_served'}",
                TO_MAP,
                "setBody: {simple: {expression: '${body[documents]}', resultType: java.util.List}}",
                "to: 'llm:rerank?query=Which'");
    }

    @Test
    void anOptionThatAStepDoesNotHaveIsReportedWhenTheRouteIsLoaded() throws Exception {
        for (var step :
                new String[] {"llm:embed?maxTokens=3", "llm:generate?topN=3", "llm:rerank?dimensions=2", "llm:paint"}) {
            var routes = RouteFolder.in(folder).route("step", "platform-http:/step", "to: '" + step + "'");
            try (var log = new LogLines("dev.llmworker.Worker");
                    var generator = VectorModel.of(Task.EMBED).start(Task.EMBED);
                    var _ = RunningWorker.with(generator, routes.path())) {
                var reported = String.join("\n", log.with("llm:"));
                assertTrue(
                        reported.contains(
                                step.equals("llm:paint")
                                        ? "llm:paint is not known; the steps are llm:generate, llm:embed, llm:rerank"
                                        : " has no option "),
                        reported);
            }
        }
    }
}

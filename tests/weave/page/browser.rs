//! The page in a browser, which need not be installed: `LENO_BROWSER` has the command.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use super::{bank_page, letters};
use leno::weave::{Explorer, Page};

/// What the test does in the page, and writes into it.
const ACTIONS: &str = include_str!("actions.js");

/// Opens the page with a fragment, calls one of the actions, and returns what it has found.
fn act(page: &Page, fragment: &str, action: &str) -> Option<String> {
    let browser = env::var("LENO_BROWSER").ok()?;
    let folder = env::temp_dir().join(format!("leno-page-{}-{action}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the page");
    let file = folder.join("page.html");
    let actions = format!("<script>{ACTIONS}\nact('{action}');</script></body>");
    fs::write(&file, page.to_html().replace("</body>", &actions)).expect("the page is written");
    let dom = dump(&browser, &folder, &format!("file://{}{fragment}", file.display()));
    fs::remove_dir_all(&folder).expect("the folder is removed");
    let (_, found) = dom.split_once("<pre id=\"found\">").expect(&dom);
    let found = found.split_once("</pre>").expect("the element ends").0;
    Some(found.replace("&amp;", "&"))
}

fn dump(browser: &str, folder: &Path, address: &str) -> String {
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000"]);
    command.arg(format!("--user-data-dir={}", folder.join("profile").display()));
    let ran = command.args(["--dump-dom", address]).output().expect("LENO_BROWSER is a command");
    String::from_utf8(ran.stdout).expect("HTML is UTF-8")
}

/// Asserts what an action finds, unless there is no browser.
#[track_caller]
fn finds(page: &Page, fragment: &str, action: &str, expected: &str) {
    if let Some(found) = act(page, fragment, action) {
        assert_eq!(found.trim(), expected.trim());
    }
}

#[test]
fn a_failing_page_opens_where_all_is_lost() {
    let expected = "\
Step 3 of 6: bob: get balance; balance = 100. Lost here: every continuation fails.
#s=preemptive: ann1 bob1 ann1&n=3
Step 4 of 6: ann: update balance; ends; balance = 30.
Before the first of 6 steps.
Step 2 of 6: ann: get balance; balance = 100.
#s=preemptive: ann2&n=3
#s=preemptive: ann1 bob1 ann1&n=2
errors: 0";
    finds(&bank_page(), "", "keys", expected);
}

#[test]
fn a_learner_reaches_a_goal() {
    let page = Explorer::new().page(|| letters(&["12", "xy"]));
    let page = page.goal("12xy", |text| text == "\"12xy\"").goal("never", |text| text == "21xy");
    let expected = "\
Reached.
Proved: none of all 6 executions does that.
errors: 0";
    finds(&page, "#s=&n=0&m=play", "play", expected);
}

#[test]
fn a_schedule_that_does_not_fit_is_refused() {
    let expected = "\
The schedule of the link does not fit: Turn 2 of the schedule, zed, is not possible there.
errors: 0";
    finds(&bank_page(), "#s=preemptive%3A+ann1+zed2", "nothing", expected);
}

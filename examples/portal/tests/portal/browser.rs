//! The page, as a person sees it.

use std::time::Instant;

use fantoccini::Locator;
use fantoccini::elements::Element;

use crate::driver::{Browser, Driver};
use crate::frameworks::Framework;
use crate::process::{DEADLINE, Portal};

pub(crate) async fn a_person_signs_in_counts_and_signs_another_device_out(on: Framework) {
    let portal = Portal::start_on(on).await;
    let mut driver = Driver::start().await;
    let (desk, phone) = (driver.browser().await, driver.browser().await);
    // In a task, so that the browsers are closed whatever comes of it.
    let played = tokio::spawn(play(portal.url(), desk.clone(), phone.clone())).await;
    desk.close().await;
    phone.close().await;
    if let Err(error) = played {
        std::panic::resume_unwind(error.into_panic());
    }
}

async fn play(url: String, mut desk: Browser, mut phone: Browser) {
    desk.open(&url).await;
    desk.sign_in("anna", "wrong").await;
    desk.see("//*[@role='alert']").await;
    desk.sign_in("anna", "demo").await;
    desk.see("//header//strong[.='anna']").await;
    desk.see("//p[@role='status'][.='You are signed in.']").await;
    desk.see("//tbody[count(tr)=1]//strong[.='This device']").await;

    for count in 1..=3 {
        desk.see("//button[@id='count']").await.click().await.expect("a click");
        desk.see(&format!("//output[.='{count}']")).await;
    }

    phone.open(&url).await;
    phone.sign_in("anna", "demo").await;
    phone.see("//tbody[count(tr)=2]").await;
    phone.see("//output[.='0']").await;

    desk.open(&url).await;
    desk.see("//tbody[count(tr)=2]").await;
    let other = "//tbody/tr[not(.//strong[.='This device'])]//button";
    desk.see(other).await.click().await.expect("a click");
    desk.see("//p[@role='status'][.='The device is signed out.']").await;
    desk.see("//tbody[count(tr)=1]//strong[.='This device']").await;

    phone.see("//button[@id='count']").await.click().await.expect("a click");
    phone.see("//p[@role='status'][contains(., 'Your session has ended')]").await;
    phone.see("//form[@action='/login']//input[@id='user']").await;

    desk.see("//button[@id='sign-out']").await.click().await.expect("a click");
    desk.see("//p[@role='status'][.='You are signed out.']").await;
    for browser in [&mut desk, &mut phone] {
        let console = browser.console().await;
        assert!(console.is_empty(), "the browser complains: {console:?}");
    }
}

impl Browser {
    async fn open(&self, url: &str) {
        self.client.goto(url).await.expect("the page opens");
    }

    async fn sign_in(&self, user: &str, password: &str) {
        self.see("//input[@id='user']").await.send_keys(user).await.expect("typing");
        self.see("//input[@id='password']").await.send_keys(password).await.expect("typing");
        self.see("//form[@action='/login']//button").await.click().await.expect("a click");
    }

    /// Waits for an element, and so for the page that has it.
    async fn see(&self, path: &str) -> Element {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let wait = self.client.wait().at_most(left);
            match wait.for_element(Locator::XPath(path)).await {
                Ok(element) => return element,
                // On its way from one page to the next a browser has none to look at, which it
                // says in many words.
                Err(_) if Instant::now() < until => {}
                Err(error) => {
                    let page = self.client.source().await.unwrap_or_default();
                    panic!("{path} does not appear ({error}) on {page}")
                }
            }
        }
    }
}
